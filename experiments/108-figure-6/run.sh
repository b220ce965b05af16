#!/usr/bin/env bash
# Pictures and sounds of kinds that nothing was trained on, by drawn people.
# Three minutes of one core: it keeps no parts, after a kill it begins again.
#   usage: run.sh RUN   (a finished run of experiments/009-motion/run.sh or one of its shape)
set -euo pipefail
run=${1:?usage: run.sh RUN}
here=$(dirname "$0")
python "$here/unseen.py" "$run" "$here"
