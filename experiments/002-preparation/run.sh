#!/usr/bin/env bash
# The labels of vasa prep against the truth of rendered clips, and its sync step against sound that
# was moved on purpose, from nothing.
#   usage: run.sh [RUN [DATA REAL]]   VASA_WEIGHTS: the frozen experts
#   DATA: folder of real clips with lrw_ar/, grid/, lrs3/, hdtf/ and elospheres/
#   REAL: the run of experiments/001-real-clips, whose SyncNet knows other speakers
set -euo pipefail
: "${VASA_WEIGHTS:?expected the folder of the frozen experts in VASA_WEIGHTS}"
here=$(dirname "$0")
run=${1:-runs/002-preparation}
data=${2:-}
real=${3:-runs/001-real-clips}
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

step "SyncNet of the quickstart, on people of its own"
vasa synth output="$run/sync/train" seed="$seed" people.test=0
vasa train experiment=syncnet/tiny seed="$seed" data.root="$run/sync/train" \
    run_dir="$run/sync/syncnet"

# move_and_prepare NAME SYNCNET RAW CLIPS COPIES PATTERN ...
move_and_prepare() {
    local to="$run/sync/$1" syncnet=$2
    [ -f "$to/moved/delays.json" ] || python "$here/sync_delay.py" move "$3" "$to/moved" "${@:4}"
    vasa prep data=folder input="$to/moved" output="$to/set" size=128 workers=1 clip.min_s=0.8 \
        split.val=0 split.test=1 sync.model="$syncnet"
}

step "held-out rendered people, their sound moved by -8 to +8 frames, prepared as if recorded"
vasa synth format=clips output="$run/sync/raw" size=256 seconds=3.32 seed="$seed" workers=1 \
    people.train=0 people.val=0 people.test=34
move_and_prepare rendered "$run/sync/syncnet" "$run/sync/raw" 34 5

step "the same, moved back"
vasa prep data=folder input="$run/sync/rendered/moved" output="$run/sync/rendered/shifted" \
    size=128 workers=1 clip.min_s=0.8 split.val=0 split.test=1 per_speaker=2 \
    sync.model="$run/sync/syncnet" sync.rule=shift sync.max_offset_frames=12

step "offsets against delays"
score() {
    python "$here/sync_delay.py" score "$1" "$run/sync/$2/moved" "$run/sync/$2/set" "$3" \
        "$run/sync_delay.json" "${@:4}"
}
score "Rendered people" rendered "$run/sync/syncnet" "$run/sync/rendered/shifted"

if [ -n "$data" ]; then
    step "real people of whom experiment 001 trained on none: one word a clip"
    move_and_prepare words "$real/syncnet" "$data" 34 2 \
        'lrw_ar/ar0[358]/*' 'lrw_ar/ar1[259]/*' 'lrw_ar/ar20/*'
    score "Real people, one word a clip" words "$real/syncnet"

    step "sentences, of other sources too"
    move_and_prepare sentences "$real/syncnet" "$data" 34 2 \
        'grid/s23/*' 'grid/s[345]/*' 'lrs3/*' 'hdtf/*' 'elospheres/*'
    score "Real people, sentences" sentences "$real/syncnet"
fi

step "done"
