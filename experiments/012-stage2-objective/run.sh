#!/usr/bin/env bash
# Stage 2's weightings, each taken away, over seeds, scored on more validation people than RUN has.
# Run again after an interruption it continues; what is complete is not made again.
#   usage: run.sh RUN [OUT]   (default OUT: RUN/objective; SEEDS="0 1 2", ROWS="...", JOBS=2 trainings at a time)
#   RUN: a finished run of experiments/000-quickstart/run.sh or of experiments/009-motion/run.sh
set -euo pipefail
run=${1:?usage: run.sh RUN [OUT]}
out=${2:-$run/objective}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
here=$(dirname "$0")

member() {  # RUN OUT ROW SEED
    local to="$2/$3-seed$4"
    vasa train experiment="ablation/stage2_$3" seed="$4" data.root="$1/motion" \
        module.stage1="$1/stage1" run_dir="$to" sample_every=0 logger=none
    vasa evaluate 'evaluation.protocols=[generated,sync]' 'evaluation.criteria=[]' \
        evaluation.split=val evaluation.num_clips="$people" evaluation.num_videos=1 seed=0 \
        data="$2/people" \
        stage1="$1/stage1" stage2="$to" syncnet="$1/syncnet" expert="$1/expert_metric" \
        shared="$2/shared" output="$to/evaluation/results.jsonl"
}
export -f member
export people=${PEOPLE:-64}

vasa synth output="$out/people" seed="${SEED:-0}" people.train=1 people.val="$people" people.test=1

for seed in ${SEEDS:-0 1 2}; do
    for row in ${ROWS:-reference uniform_timesteps no_velocity no_dyn_velocity}; do
        echo "$run $out $row $seed"
    done
done | xargs -P "${JOBS:-2}" -L 1 bash -c 'member "$@"' member

python "$here/table.py" "$out" "$here"
