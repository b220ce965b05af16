#!/usr/bin/env bash
# What hearing less of the future costs: the same sentences by plans of a live stream.
# Run again after an interruption it continues; what is complete is not made again.
#   usage: run.sh RUN [OUT]   (default OUT: RUN/live-plan)
#   RUN: a finished run of experiments/000-quickstart/run.sh or of experiments/009-motion/run.sh
set -euo pipefail
run=${1:?usage: run.sh RUN [OUT]}
out=${2:-$run/live-plan}
seed=${SEED:-0}
here=$(dirname "$0")

while read -r hop ahead; do
    printf '\n== %s frames at a time, %s of look-ahead (%d s)\n' "$hop" "$ahead" "$SECONDS"
    vasa evaluate 'evaluation.protocols=[generated,sync]' 'evaluation.criteria=[]' \
        evaluation.num_videos=1 seed="$seed" data="$run/data" stage1="$run/stage1" \
        stage2="$run/stage2" syncnet="$run/syncnet" expert="$run/expert_metric" \
        shared="$out/shared" evaluation.generation.hop_frames="$hop" \
        evaluation.generation.lookahead_frames="$ahead" \
        output="$out/${hop}_$ahead/results.jsonl" < /dev/null
done <<'PLANS'
null 0
10 5
5 5
2 3
PLANS

printf '\n== table (%d s)\n' "$SECONDS"
python "$here/table.py" "$out" "$here"
