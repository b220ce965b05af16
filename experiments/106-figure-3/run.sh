#!/usr/bin/env bash
# Controls swept over their range, asked against seen, on a finished run.
# Run again after an interruption it continues; what is complete is not made again.
#   usage: run.sh RUN [OUT]   (default OUT: RUN/figure-3; EVALUATION=synth or real)
set -euo pipefail
run=${1:?usage: run.sh RUN [OUT]}
out=${2:-$run/figure-3}
evaluation=${EVALUATION:-synth}
here=$(dirname "$0")

inputs=(data="$run/data" stage1="$run/stage1" stage2="$run/stage2")
if [ "$evaluation" = synth ]; then
    inputs+=(expert="$run/expert_metric")
fi

vasa evaluate evaluation="$evaluation" protocol=controls seed="${SEED:-0}" "${inputs[@]}" \
    output="$out/results.jsonl"
vasa report results="$out/results.jsonl" output="$out/report.html"
python "$here/table.py" "$out" "$here" "$evaluation"
