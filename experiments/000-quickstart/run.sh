#!/usr/bin/env bash
# The whole way at the smallest size: data, training, a talking video, scores, report.
# Run again after an interruption it continues; what is complete is not made again.
#   usage: run.sh [RUN]     (default: runs/quickstart; SEED=0)
set -euo pipefail
run=${1:-runs/quickstart}
seed=${SEED:-0}
started=$SECONDS

step() { printf '\n== %s (%d s)\n' "$1" "$((SECONDS - started))"; }

step "talking heads with ground truth"
vasa synth output="$run/data" seed="$seed"

step "face experts: one for the losses, another for the measurements"
vasa train experiment=expert/loss seed="$seed" data.root="$run/data" run_dir="$run/expert_loss"
vasa train experiment=expert/metric seed="$((seed + 1000))" data.root="$run/data" \
    run_dir="$run/expert_metric"

step "stage 1: the face latent space"
vasa train experiment=stage1/tiny seed="$seed" data.root="$run/data" \
    module.expert="$run/expert_loss" run_dir="$run/stage1"

step "stage 2: motion from speech"
vasa encode data="$run/data" stage1="$run/stage1" output="$run/motion"
vasa train experiment=stage2/tiny seed="$seed" data.root="$run/motion" \
    module.stage1="$run/stage1" run_dir="$run/stage2"

step "SyncNet, for scoring only"
vasa train experiment=syncnet/tiny seed="$seed" data.root="$run/data" run_dir="$run/syncnet"

step "scores on held-out people and sentences"
vasa evaluate evaluation=synth seed="$seed" data="$run/data" stage1="$run/stage1" \
    stage2="$run/stage2" syncnet="$run/syncnet" expert="$run/expert_metric" \
    output="$run/results.jsonl"

step "a talking video of a held-out person"
vasa synth output="$run/portrait" seed="$seed" format=clips seconds=6 workers=1 \
    people.train=0 people.val=0 people.test=1
clip=$(find "$run/portrait" -name '*.mp4' | sort | head -n 1)
ffmpeg -loglevel error -y -i "$clip" -frames:v 1 "$run/portrait/face.png"
ffmpeg -loglevel error -y -i "$clip" -vn -ac 1 -ar 16000 "$run/portrait/speech.wav"
vasa generate image="$run/portrait/face.png" audio="$run/portrait/speech.wav" seed="$seed" \
    stage1="$run/stage1" stage2="$run/stage2" expert="$run/expert_metric" \
    output="$run/talking.mp4"

step "report"
vasa report results="$run/results.jsonl" output="$run/report.html" \
    "runs=[$run/expert_loss,$run/expert_metric,$run/stage1,$run/stage2,$run/syncnet]"

step "done"
sed -n '/self_reenactment\/psnr\b\|psnr_mouth\|generated\/mouth_correlation\b\|real_offset_accuracy/p' \
    "$run/results.jsonl" | python3 -c '
import json, sys
for row in map(json.loads, sys.stdin):
    print("%-36s %8.3f   %s %.3f" % (row["metric"], row["value"], row["control_name"], row["control"]))'
printf '\nvideo    %s\nscores   %s\nreport   %s\n' \
    "$run/talking.mp4" "$run/results.jsonl" "$run/report.html"
