#!/usr/bin/env bash
# What hearing less of the future costs, and training for it gives: plans of a live stream.
# Run again after an interruption it continues; what is complete is not made again.
#   usage: run.sh RUN [OUT]   (default OUT: RUN/live-plan)
#   RUN: a finished run of experiments/000-quickstart/run.sh or of experiments/009-motion/run.sh
set -euo pipefail
run=${1:?usage: run.sh RUN [OUT]}
out=${2:-$run/live-plan}
seed=${SEED:-0}
here=$(dirname "$0")

printf '\n== stage 2 on windows of which half are shorter (%d s)\n' "$SECONDS"
vasa train experiment=ablation/stage2_short_windows seed="$seed" data.root="$run/motion" \
    module.stage1="$run/stage1" run_dir="$out/stage2_short" sample_every=0 logger=none

plans() {  # TRAINING STAGE2
    while read -r hop ahead; do
        printf '\n== %s windows: %s frames at a time, %s of look-ahead (%d s)\n' \
            "$1" "$hop" "$ahead" "$SECONDS"
        vasa evaluate 'evaluation.protocols=[generated,sync]' 'evaluation.criteria=[]' \
            evaluation.num_videos=1 seed="$seed" data="$run/data" stage1="$run/stage1" \
            stage2="$2" syncnet="$run/syncnet" expert="$run/expert_metric" \
            shared="$out/shared" evaluation.generation.hop_frames="$hop" \
            evaluation.generation.lookahead_frames="$ahead" \
            output="$out/$1/${hop}_$ahead/results.jsonl" < /dev/null
    done <<'PLANS'
null 0
10 5
5 5
2 3
PLANS
}

plans whole "$run/stage2"
plans short "$out/stage2_short"

printf '\n== table (%d s)\n' "$SECONDS"
python "$here/table.py" "$out" "$here"
