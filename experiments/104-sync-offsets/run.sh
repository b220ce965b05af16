#!/usr/bin/env bash
# Does our SyncNet find where sound belongs: rendered people, real ones, a language it never heard.
#   usage: run.sh SYNTH [REAL] [OUT]   (default OUT: runs/104-sync-offsets)
#   SYNTH: a finished run of experiments/009-motion/run.sh, REAL one of 010-languages (data, syncnet);
#   without REAL the records of real people that OUT holds already stay in the table.
set -euo pipefail
synth=${1:?usage: run.sh SYNTH [REAL] [OUT]}
real=${2:-}
out=${3:-runs/104-sync-offsets}
here=$(dirname "$0")
score() { python "$here/offsets.py" "$out" "$@"; }

score synthetic "$synth/data" "$synth/syncnet" synth
if [ -n "$real" ]; then
    score real "$real/data" "$real/syncnet" lrw_ar
    score real_sentences "$real/data" "$real/syncnet" grid
    score real_talks "$real/data" "$real/syncnet" lrs3
fi
python "$here/table.py" "$out" "$here"
