#!/usr/bin/env bash
# VASA-1's table 2: methods side by side on one-minute clips of held-out people.
# Run again after an interruption it continues; what is complete is not made again.
#   usage: run.sh RUN [DATA] [OUT] [KEY=VALUE ...]   (default OUT: RUN/table-2)
#   DATA: shards of one-minute clips of people that RUN has not seen; without it synthetic ones are
#   made (RUN/minutes). Methods that take motion from other clips take RUN's training clips.
set -euo pipefail
run=${1:?usage: run.sh RUN [DATA] [OUT] [KEY=VALUE ...]}
data=${2:-$run/minutes}
out=${3:-$run/table-2}
here=$(dirname "$0")

if [ "$data" = "$run/minutes" ]; then
    printf '\n== one-minute clips of synthetic people\n'
    vasa synth output="$data" seed="${SEED:-0}" seconds=60 people.train=0 people.val=0 \
        people.test="${PEOPLE:-8}"
fi
RULE=${RULE:-minutes} bash "$here/../score_methods.sh" "$run" "$data" "$out" evaluation.max_seconds=60 \
    evaluation.methods.library="$run/data" "${@:4}"

printf '\n== table (%d s)\n' "$SECONDS"
python "$here/../method_table.py" 2 "$out" "$here"
