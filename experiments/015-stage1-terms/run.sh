#!/usr/bin/env bash
# Stage 1's terms that are off at tiny size, each turned on, scored on people that none has seen.
# Run again after an interruption it continues; what is complete is not made again.
#   usage: run.sh RUN [OUT] [KEY=VALUE ...]   (default OUT: RUN/stage1-terms; SEEDS="0", ROWS="...", JOBS=2 trainings
#   at a time; KEY=VALUE are for `vasa evaluate`: evaluation.perceptual=squeezenet, with VASA_WEIGHTS)
#   RUN: a finished run of experiments/000-quickstart/run.sh or of experiments/009-motion/run.sh
set -euo pipefail
run=${1:?usage: run.sh RUN [OUT] [KEY=VALUE ...]}
out=${2:-$run/stage1-terms}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
here=$(dirname "$0")

member() {  # RUN OUT ROW SEED [KEY=VALUE ...]
    local to="$2/$3-seed$4"
    vasa train experiment="ablation/stage1_$3" seed="$4" max_steps=1300 module.encoder_steps=600 \
        data.root="$1/data" module.expert="$1/expert_loss" run_dir="$to" sample_every=0 logger=none
    vasa evaluate 'evaluation.protocols=[self_reenactment,cross_reenactment]' 'evaluation.criteria=[]' \
        evaluation.num_videos=1 seed=0 data="$1/data" stage1="$to" expert="$1/expert_metric" \
        output="$to/evaluation/results.jsonl" "${@:5}"
}
export -f member

for seed in ${SEEDS:-0}; do
    for row in ${ROWS:-reference adversary cycle face_features foreground}; do
        echo "$run $out $row $seed ${*:3}"
    done
done | xargs -P "${JOBS:-2}" -L 1 bash -c 'member "$@"' member

python "$here/../sweep_table.py" "$out" "$here" self_reenactment/psnr self_reenactment/psnr_mouth \
    self_reenactment/perceptual self_reenactment/identity_similarity cross_reenactment/pose_error \
    cross_reenactment/mouth_correlation cross_reenactment/identity_similarity
