"""Results file and README table of experiment 014: scores by plan.

usage: python experiments/014-live-plan/table.py OUT EXPERIMENT

OUT is the folder of run.sh; EXPERIMENT holds the README and receives results.jsonl, whose rows are
named `<training>/<plan>/<metric>`.
"""

import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

from vasa.data.schema import FPS
from vasa.evaluation.report.marks import put_between
from vasa.evaluation.results import ResultRow, read_rows, write_rows

PLANS = {"null_0": "the model's window", "10_5": "10 + 5", "5_5": "5 + 5", "2_3": "2 + 3"}
"""Folders of run.sh, and frames at a time + of look-ahead."""
TRAININGS = {"whole": "whole", "short": "half of them shorter"}
"""Folders of run.sh, and which windows stage 2 was trained on."""
SCORES = {
    "generated/mouth_correlation": "mouth r",
    "generated/closure_rate": "closures",
    "generated/pose_variation_ratio": "dP over real",
    "generated/blink_rate": "blinks a second",
    "generated/sync_ratio": "S_C over real",
}
WINDOW = 50


def needed_s(folder: str) -> float:
    """Speech before the first frame, log-mel's 20 ms beyond the window included."""
    hop, ahead = folder.split("_")
    return ((WINDOW if hop == "null" else int(hop)) + int(ahead)) / FPS + 0.02


def cell(row: ResultRow) -> str:
    """Value with its interval, the control behind it."""
    control = "" if row.control is None else f"; {row.control:.3f}"
    return f"{row.value:.3f} ({row.ci_low:.3f} … {row.ci_high:.3f}{control})"


def main(out: Path, experiment: Path) -> None:
    """Write results and table."""
    lines = [
        "| trained on windows | frames at a time + look-ahead | first frame after "
        f"| {' | '.join(SCORES.values())} |",
        "| --- " * (3 + len(SCORES)) + "|",
    ]
    kept: list[ResultRow] = []
    for (training, windows), (folder, plan) in product(TRAININGS.items(), PLANS.items()):
        path = out / training / folder / "results.jsonl"
        if not path.is_file():
            sys.exit(f"expected results at {path}; run run.sh")
        rows = {row.metric: row for row in read_rows(path)}
        cells = [cell(rows[name]) for name in SCORES]
        lines.append(f"| {windows} | {plan} | {needed_s(folder):.2f} s | {' | '.join(cells)} |")
        kept += [replace(rows[name], metric=f"{training}/{folder}/{name}") for name in SCORES]
    stamp = kept[0].stamp
    commit = str(stamp["commit"])[:12] + ("+changes" if stamp["is_dirty"] else "")
    about = f"{kept[0].n} held-out people, seed {stamp['seed']}, commit {commit}, "
    text = f"{about}{stamp['machine']}, {str(stamp['date'])[:10]}; in brackets 95% CI; control:"
    write_rows(experiment / "results.jsonl", kept)
    put_between(experiment / "README.md", "table", "\n".join([text, "", *lines]) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: table.py OUT EXPERIMENT")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
