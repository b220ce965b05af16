#!/usr/bin/env bash
# The labels of vasa prep against the truth of rendered clips, from nothing.
#   usage: run.sh [RUN]   VASA_WEIGHTS: the frozen experts
set -euo pipefail
: "${VASA_WEIGHTS:?expected the folder of the frozen experts in VASA_WEIGHTS}"
here=$(dirname "$0")
run=${1:-runs/002-preparation}
seed=${SEED:-0}
started=$SECONDS

step() { printf '\n== %s (%d s)\n' "$1" "$((SECONDS - started))"; }

step "64 rendered people, 3 s each, with their truth"
vasa synth format=clips output="$run/raw" size=256 seconds=3 seed="$seed" workers=1 \
    people.train=64 people.val=0 people.test=0

step "prepared as if they were recorded"
vasa prep data=folder input="$run/raw" output="$run/set" size=128 workers=1

step "labels against the truth"
python "$here/label_accuracy.py" "$run/raw" "$run/set" "$run/label_accuracy.json"

step "done"
