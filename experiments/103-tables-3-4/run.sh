#!/usr/bin/env bash
# CAPP trained, then VASA-1's tables 3 and 4 on held-out people, synthetic or real.
# Run again after an interruption it continues; what is complete is not made again.
#   usage: run.sh RUN [OUT]   (default OUT: RUN/tables-3-4)
#   RUN: a finished run of experiments/000-quickstart/run.sh (EVALUATION=synth, the default) or of
#   experiments/001-real-clips/run.sh (EVALUATION=real, with VASA_WEIGHTS). VIDEOS=1 also scores
#   generated videos by RUN/stage2. Results of both kinds may lie in one OUT.
set -euo pipefail
run=${1:?usage: run.sh RUN [OUT]}
out=${2:-$run/tables-3-4}
evaluation=${EVALUATION:-synth}
seed=${SEED:-0}
here=$(dirname "$0")

inputs=(stage1="$run/stage1")
case $evaluation in
    # More held-out people than RUN has, enough to tell 4 frames of shift from 8.
    synth)
        experiment=capp/tiny
        vasa synth output="$out/people" seed="$seed" people.train=1 people.val=1 \
            people.test="${CLIPS:-96}"
        inputs+=(data="$out/people" expert="$run/expert_metric"
            evaluation.num_clips="${CLIPS:-96}")
        ;;
    # All clips of the held-out people: no picture is measured.
    real)
        experiment=capp/tiny_real
        inputs+=(data="$run/data" evaluation.num_clips="${CLIPS:-200}")
        ;;
    *) echo "expected EVALUATION=synth or real, got $evaluation" >&2; exit 2 ;;
esac
if [ "${VIDEOS:-0}" = 1 ]; then
    inputs+=(stage2="$run/stage2")
fi
if [ -n "${SHARED:-}" ]; then
    inputs+=(shared="$SHARED")
fi

printf '\n== CAPP on heads and sound of the training people\n'
vasa train experiment="$experiment" seed="$seed" data.root="$run/data" \
    run_dir="$out/capp_$evaluation"

printf '\n== shifts and scales on held-out people (%d s)\n' "$SECONDS"
vasa evaluate evaluation="$evaluation" protocol=capp seed="$seed" "${inputs[@]}" \
    capp="$out/capp_$evaluation" output="$out/$evaluation/results.jsonl"

printf '\n== tables (%d s)\n' "$SECONDS"
python "$here/table.py" "$out" "$here"
