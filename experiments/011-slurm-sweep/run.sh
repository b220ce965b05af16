#!/usr/bin/env bash
# An ablation of six trainings under SLURM on this one machine: one is killed, a job of higher
# priority takes the node of others, then the same command again; beside them the same six without SLURM.
#   usage: run.sh [RUN]     (default: runs/011-slurm-sweep; needs slurm-wlm and munge)
# What is complete is not made again, but for the sweep itself, which begins anew.
set -euo pipefail
run=$(realpath -m "${1:-runs/011-slurm-sweep}")
here=$(cd "$(dirname "$0")" && pwd)
export OMP_NUM_THREADS=1

small=(logger=none sample_every=0 trainer.precision=32-true trainer.num_threads=1)
vasa synth output="$run/data" seed=0 seconds=1.2 workers=1 people.train=8 people.val=2 people.test=0
vasa train experiment=expert/loss data.root="$run/data" run_dir="$run/expert" "${small[@]}" \
    max_steps=20 module.warmup_steps=5 module.statistics_batches=2 data.batch_size=8 \
    data.held_out_batches=1
vasa train experiment=stage1/tiny data.root="$run/data" module.expert="$run/expert" \
    run_dir="$run/stage1" "${small[@]}" max_steps=30 module.encoder_steps=10 \
    module.warmup_steps=5 data.batch_size=4
vasa encode data="$run/data" stage1="$run/stage1" output="$run/motion"

export ONE_HOST_URGENT=1
eval "$("$here/../../slurm/one_host.sh" up 1)"
trap '"$here/../../slurm/one_host.sh" down' EXIT
python "$here/sweep.py" "$run"
vasa report sweep="$run/swept" output="$run/sweep.html"
python "$here/table.py" "$run" "$here"
