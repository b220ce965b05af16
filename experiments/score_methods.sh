#!/usr/bin/env bash
# Methods on the same held-out clips, scored alike; shared by experiments 101 and 102.
# Run again after an interruption it continues; what is complete is not made again.
#   usage: score_methods.sh RUN DATA OUT [KEY=VALUE ...]
#   RUN: a finished run of experiments/009-motion/run.sh (EVALUATION=synth, the default) or of
#   experiments/001-real-clips/run.sh (EVALUATION=real, with VASA_WEIGHTS); DATA: the clips' shards.
#   RULE draws the clips (evaluation.list_rules; a list of its own: evaluation.list=FILE) into
#   OUT/EVALUATION/RULE.txt. SHARED=DIR keeps videos where other experiments find them.
#   FOLDERS='{sadtalker: DIR}' scores other programs' mp4 files, named by clip, beside them.
set -euo pipefail
run=${1:?usage: score_methods.sh RUN DATA OUT [KEY=VALUE ...]}
data=${2:?} out=${3:?}
shift 3
evaluation=${EVALUATION:-synth}
seed=${SEED:-0}

inputs=(data="$data" stage1="$run/stage1" stage2="$run/stage2" syncnet="$run/syncnet")
case $evaluation in
    synth) experiment=capp/tiny rule=synth; inputs+=(expert="$run/expert_metric") ;;
    real) experiment=capp/tiny_real rule=three_each ;;
    *) echo "expected EVALUATION=synth or real, got $evaluation" >&2; exit 2 ;;
esac
inputs+=(evaluation.list_rule="${RULE:-$rule}")
if [ -n "${SHARED:-}" ]; then
    inputs+=(shared="$SHARED")
fi
if [ -n "${FOLDERS:-}" ]; then
    inputs+=("evaluation.methods.folders=$FOLDERS")
fi

# The one that experiment 103 trains, by the same command: it is trained once.
capp=$run/tables-3-4/capp_$evaluation
printf '\n== CAPP on heads and sound of the training people\n'
vasa train experiment="$experiment" seed="$seed" data.root="$run/data" run_dir="$capp"

printf '\n== methods on held-out people (%d s)\n' "$SECONDS"
vasa evaluate evaluation="$evaluation" protocol=methods seed="$seed" "${inputs[@]}" \
    capp="$capp" "$@" output="$out/$evaluation/results.jsonl"
