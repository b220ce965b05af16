#!/usr/bin/env bash
# From nothing to the paper's tables and figures on synthetic people: stage 1 by experiment 005's
# recipe, the rest by 009, then 101 to 108. Their READMEs and results are written anew, with
# synthetic people alone; what stands there of real ones git gives back.
# Run again after an interruption it continues; what is complete is not made again.
#   usage: all_tables.sh [RUN]     (default: runs/all-tables; SEED=0)
set -euo pipefail
run=${1:-runs/all-tables}
here=$(dirname "$0")
recipe=$run/005-disentanglement
motion=$run/009-motion
# Videos and readings that several of the experiments need are made once.
export SHARED=$run/shared SEED=${SEED:-0} EVALUATION=synth

part() {  # EXPERIMENT ARGUMENTS...
    printf '\n=== %s (%d s)\n' "$1" "$SECONDS"
    bash "$here/$1/run.sh" "${@:2}"
}

PARTS=recipe part 005-disentanglement "$recipe"
part 009-motion "$motion" "$recipe"
part 101-table-1 "$motion" "$motion/table-1"
part 102-table-2 "$motion" "$motion/minutes" "$motion/table-2"
VIDEOS=1 part 103-tables-3-4 "$motion" "$motion/tables-3-4"
part 104-sync-offsets "$motion" "" "$motion/sync-offsets"
part 105-table-5 "$motion" "$motion/table-5"
part 106-figure-3 "$motion" "$motion/figure-3"
part 107-figures-4-5 "$motion"
part 108-figure-6 "$motion"
printf '\n=== done (%d s): git diff --stat experiments\n' "$SECONDS"
