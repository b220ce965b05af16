#!/usr/bin/env bash
# Trainings killed at random moments: do they end as the undisturbed ones do, to the bit?
# Run again after an interruption it continues; what is complete is not made again.
#   usage: run.sh [RUN]     (default: runs/006-resume; KILLS=10 SIGKILLs a case, CASES="...")
set -euo pipefail
run=${1:-runs/006-resume}
kills=${KILLS:-10}
here=$(dirname "$0")
export WANDB_MODE=offline
export PYTHONPATH=$here/..${PYTHONPATH:+:$PYTHONPATH}  # killing.py
started=$SECONDS

step() { printf '\n== %s (%d s)\n' "$1" "$((SECONDS - started))"; }

step "ten people and a face expert, as little as there can be"
vasa synth output="$run/data" seed=0 seconds=1.2 workers=1 \
    people.train=8 people.val=2 people.test=0
vasa train experiment=expert/loss data.root="$run/data" run_dir="$run/expert" logger=none \
    max_steps=20 module.warmup_steps=5 module.statistics_batches=2 data.batch_size=8 \
    data.held_out_batches=1

for case in ${CASES:-stage1-0-workers stage1-2-workers stage1-2-processes \
    stage2-0-workers stage2-2-workers stage2-2-processes stage2-wandb \
    syncnet-0-workers syncnet-2-workers syncnet-2-processes}; do
    if [ ! -e "$run/motion/done.json" ] && [[ $case = stage2* ]]; then
        step "motion of the undisturbed stage 1"
        python "$here/kills.py" "$run" stage1-0-workers undisturbed
        vasa encode data="$run/data" stage1="$run/stage1/whole" output="$run/motion"
    fi
    step "$case"
    python "$here/kills.py" "$run" "$case" "$kills"
done

step "table"
python "$here/table.py" "$run"

step "curves of one process and of two"
python "$here/curves.py" "$run"
