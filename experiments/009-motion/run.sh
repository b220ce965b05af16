#!/usr/bin/env bash
# Stage 2 over experiment 005's stage 1: from held-out people's speech to their motion.
#   usage: run.sh [RUN] [STAGE1]   STAGE1: the folder of experiments/005-disentanglement/run.sh
set -euo pipefail
run=${1:-runs/009-motion}
stage1=${2:-runs/005-disentanglement}
seed=${SEED:-0}
here=$(dirname "$0")

step() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }

step "talking heads with ground truth"
vasa synth output="$run/data" seed="$seed"
for name in stage1 expert_metric; do
    ln -sfn "$(realpath "$stage1/$name")" "$run/$name"
done

step "stage 2: motion from speech"
vasa encode data="$run/data" stage1="$run/stage1" output="$run/motion"
vasa train experiment=stage2/tiny seed="$seed" data.root="$run/motion" \
    module.stage1="$run/stage1" run_dir="$run/stage2"

step "SyncNet, for scoring only"
vasa train experiment=syncnet/tiny seed="$seed" data.root="$run/data" run_dir="$run/syncnet"

step "scores on held-out people and sentences"
vasa evaluate protocol=motion seed="$seed" data="$run/data" stage1="$run/stage1" \
    stage2="$run/stage2" syncnet="$run/syncnet" expert="$run/expert_metric" \
    output="$run/results.jsonl"

step "speech as it comes, and the base size's motion; random weights"
rm -f "$run/bench.jsonl"
OMP_NUM_THREADS=1 vasa bench 'parts=[stream]' output="$run/bench.jsonl"

step "table"
python "$here/table.py" "$run" "$here"
step "done"
