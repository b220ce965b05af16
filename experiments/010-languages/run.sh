#!/usr/bin/env bash
# Trained on Arabic alone, heard in English and Chinese: held-out speakers and held-out languages.
# Run again after an interruption it continues; what is complete is not made again.
#   usage: run.sh DATA [RUN]   DATA: folder with lrw_ar/, lrs3/, grid/, speech/, portraits/ and
#   manifest.csv;
#   VASA_WEIGHTS: the frozen experts, of preparation and of scores
set -euo pipefail
: "${VASA_WEIGHTS:?expected the folder of the frozen experts in VASA_WEIGHTS}"
data=${1:?usage: run.sh DATA [RUN]}
run=${2:-runs/010-languages}
export SEED=${SEED:-0}
here=$(dirname "$0")
started=$SECONDS

step() { printf '\n== %s (%d s)\n' "$1" "$((SECONDS - started))"; }

step "preparation: whoever speaks English is held out, and four of the Arabic speakers"
english=$(awk -F, '$3 == "lrs3" || $3 == "grid" { print $2 }' "$data/manifest.csv" | sort -u)
vasa prep input="$data" output="$run/data" 'include=[lrw_ar/*,lrs3/*,grid/*]' size=64 workers=2 \
    "split.test_speakers=[ar03,ar08,ar12,ar20,$(paste -sd, <<< "$english")]" \
    'split.val_speakers=[ar05,ar15,ar19]' split.val=0 split.test=0

step "face expert for the losses, stage 1, stage 2, SyncNet: Arabic alone"
vasa train experiment=expert/loss seed="$SEED" data.root="$run/data" run_dir="$run/expert_loss"
vasa train experiment=stage1/tiny seed="$SEED" data.root="$run/data" \
    module.expert="$run/expert_loss" run_dir="$run/stage1"
vasa encode data="$run/data" stage1="$run/stage1" output="$run/motion"
vasa train experiment=stage2/tiny seed="$SEED" data.root="$run/motion" \
    module.stage1="$run/stage1" run_dir="$run/stage2"
vasa train experiment=syncnet/tiny_real seed="$SEED" data.root="$run/data" run_dir="$run/syncnet"

score() {  # LANGUAGE SECONDS RULE
    step "$1: methods on the same clips"
    EVALUATION=real bash "$here/../score_methods.sh" "$run" "$run/data" "$run/$1" \
        evaluation.list="$run/$1.txt" evaluation.list_rule="$1" \
        "+evaluation.list_rules.$1={$3}" evaluation.max_seconds="$2"
}
score arabic 3 'clips_per_speaker:6,source:lrw_ar'
score english 8 'clips_per_speaker:1,source:lrs3'
score english_grid 3 'clips_per_speaker:1,source:grid'

step "Chinese and English sound without pictures, spoken by the held-out people"
python "$here/speech.py" "$run" "$data"

step "photos and paintings of strangers say the same"
python "$here/portraits.py" "$run" "$data"

step "figures 4 and 5 on the held-out people"
EVALUATION=real bash "$here/../107-figures-4-5/run.sh" "$run"

step "table"
python "$here/table.py" "$run" "$here"
step "done"
