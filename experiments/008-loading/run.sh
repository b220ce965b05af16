#!/usr/bin/env bash
# Loading at each preset's size beside its limits and other ways, and the table of it.
#   usage: run.sh [RUN]     (default: runs/loading; the sets are kept in RUN/sets)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
run=${1:-runs/loading}
rm -f "$run/loading.jsonl"
OMP_NUM_THREADS=1 taskset -c 1 vasa bench "parts=[data]" "data_sizes=[64,128,256,512]" num_threads=1 \
    data_folder="$run/sets" train_steps=32 output="$run/loading.jsonl"
python "$here/table.py" "$here" "$run/loading.jsonl"
