#!/usr/bin/env bash
# One generated motion on three people, and pose and dynamics of two motions taken apart.
# Three minutes of one core: it keeps no parts, after a kill it begins again.
#   usage: run.sh RUN   (a finished run of experiments/009-motion/run.sh or one of its shape;
#   EVALUATION=real, with VASA_WEIGHTS, for real people: of experiments/010-languages/run.sh)
set -euo pipefail
run=${1:?usage: run.sh RUN}
here=$(dirname "$0")
python "$here/figures.py" "$run" "$here" "${EVALUATION:-synth}"
