#!/usr/bin/env bash
# VASA-1's table 1: methods side by side on held-out people, synthetic or real.
# Run again after an interruption it continues; what is complete is not made again.
#   usage: run.sh RUN [OUT] [KEY=VALUE ...]   (default OUT: RUN/table-1; see ../score_methods.sh)
set -euo pipefail
run=${1:?usage: run.sh RUN [OUT] [KEY=VALUE ...]}
out=${2:-$run/table-1}
here=$(dirname "$0")

bash "$here/../score_methods.sh" "$run" "$run/data" "$out" "${@:3}"

printf '\n== table (%d s)\n' "$SECONDS"
python "$here/../method_table.py" 1 "$out" "$here"
