#!/usr/bin/env bash
# Guidance and steps as in VASA-1's table 5, on a finished run.
# Run again after an interruption it continues; what is complete is not made again.
#   usage: run.sh RUN [OUT]   (default OUT: RUN/table-5; EVALUATION=synth or real; SEEDS="0 1 2")
#   What is known of real clips is kept in OUT/shared (SHARED=DIR: where other experiments share it).
set -euo pipefail
run=${1:?usage: run.sh RUN [OUT]}
out=${2:-$run/table-5}
evaluation=${EVALUATION:-synth}
here=$(dirname "$0")

# The one that experiment 103 trains, by the same command: it is trained once.
capp=$run/tables-3-4/capp_$evaluation
inputs=(data="$run/data" stage1="$run/stage1" stage2="$run/stage2" syncnet="$run/syncnet"
    capp="$capp" 'evaluation.capp.shift_frames=[0]' 'evaluation.capp.scales=[]'
    shared="${SHARED:-$out/shared}")
case $evaluation in
    synth) experiment=capp/tiny; inputs+=(expert="$run/expert_metric") ;;
    real) experiment=capp/tiny_real ;;
    *) echo "expected EVALUATION=synth or real, got $evaluation" >&2; exit 2 ;;
esac

printf '\n== CAPP on heads and sound of the training people\n'
vasa train experiment="$experiment" seed="${SEED:-0}" data.root="$run/data" run_dir="$capp"

while read -r audio gaze steps; do
    for seed in ${SEEDS:-0 1 2}; do
        printf '\n== lambda_A %s, lambda_g %s, %s steps, seed %s (%d s)\n' \
            "$audio" "$gaze" "$steps" "$seed" "$SECONDS"
        vasa evaluate evaluation="$evaluation" 'evaluation.protocols=[generated,sync,capp]' \
            'evaluation.criteria=[]' evaluation.num_videos=1 seed="$seed" "${inputs[@]}" \
            evaluation.generation.guidance.audio="$audio" \
            evaluation.generation.guidance.gaze="$gaze" evaluation.generation.steps="$steps" \
            output="$out/${audio}_${gaze}_$steps-seed$seed/results.jsonl" < /dev/null
    done
done <<'SETTINGS'
0.0 0.0 50
0.0 1.0 50
0.0 2.0 50
0.5 1.0 50
1.0 1.0 50
2.0 1.0 50
0.5 1.0 10
SETTINGS

printf '\n== table (%d s)\n' "$SECONDS"
python "$here/table.py" "$out" "$here" "$evaluation"
