#!/usr/bin/env bash
# The quickstart's chain on real clips: prepared, split by speaker, trained, scored, reported.
#   usage: run.sh DATA [RUN]   DATA: folder with lrw_ar/ and grid/; VASA_WEIGHTS: the frozen experts
#   (those of preparation and scores: identity_dlib and squeezenet_features score, no loss uses them)
set -euo pipefail
: "${VASA_WEIGHTS:?expected the folder of the frozen experts in VASA_WEIGHTS}"
data=${1:?usage: run.sh DATA [RUN]}
run=${2:-runs/001-real-clips}
seed=${SEED:-0}
started=$SECONDS

step() { printf '\n== %s (%d s)\n' "$1" "$((SECONDS - started))"; }

step "preparation: 25 people, split by speaker"
vasa prep input="$data" output="$run/data" 'include=[lrw_ar/*,grid/s1/*]' per_speaker=30 size=64 \
    workers=2 'split.test_speakers=[ar03,ar08,ar12,ar20]' 'split.val_speakers=[ar05,ar15,ar19]' \
    split.val=0 split.test=0

step "face expert for the losses"
vasa train experiment=expert/loss seed="$seed" data.root="$run/data" run_dir="$run/expert_loss"

step "stage 1"
vasa train experiment=stage1/tiny seed="$seed" data.root="$run/data" \
    module.expert="$run/expert_loss" run_dir="$run/stage1"

step "stage 2"
vasa encode data="$run/data" stage1="$run/stage1" output="$run/motion"
vasa train experiment=stage2/tiny seed="$seed" data.root="$run/motion" \
    module.stage1="$run/stage1" run_dir="$run/stage2"

step "SyncNet, for scoring only"
vasa train experiment=syncnet/tiny_real seed="$seed" data.root="$run/data" run_dir="$run/syncnet"

step "scores on held-out speakers, measured by the frozen experts"
vasa evaluate evaluation=real seed="$seed" data="$run/data" stage1="$run/stage1" \
    stage2="$run/stage2" syncnet="$run/syncnet" output="$run/results.jsonl"

step "report"
vasa report results="$run/results.jsonl" output="$run/report.html" \
    "runs=[$run/expert_loss,$run/stage1,$run/stage2,$run/syncnet]"

step "done"
