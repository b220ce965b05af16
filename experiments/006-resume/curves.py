"""Loss curves of one process and of two, over one another.

usage: PYTHONPATH=experiments python experiments/006-resume/curves.py RUN [EXPERIMENT]

RUN is the folder of run.sh; what it lacks of the undisturbed runs of each stage, in one process, in
two and with another seed, is trained. Writes curves.png, rows of results.jsonl and a table of the
README in EXPERIMENT, this folder if none is given.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from cases import CASES, SEED
from killing import finish
from matplotlib.figure import Figure

from vasa.evaluation.report.marks import put_between
from vasa.evaluation.results import ResultRow, read_rows, write_rows
from vasa.training.run_folder import describe_environment

STAGES = {
    "stage1": ("stage1-0-workers", "stage1-2-processes"),
    "stage2": ("stage2-0-workers", "stage2-2-processes"),
    "syncnet": ("syncnet-0-workers", "syncnet-2-processes"),
}
"""Cases of one process and of two."""
EARLY_STEPS = 10
METRIC = "ddp/max_relative_difference"


def losses(root: Path) -> np.ndarray:
    """`train/loss` of each step."""
    lines = [json.loads(text) for text in (root / "metrics.jsonl").read_text().splitlines()]
    return np.array([line["train/loss"] for line in lines])


def differences(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """|two - one| / |one| of each step."""
    return np.abs(two - one) / np.abs(one)


def curves_of(run: Path) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each stage: one process, two, and one with another seed."""
    found = {}
    for stage, (one, two) in STAGES.items():
        roots = [run / CASES[name].whole / "whole" for name in (one, two)]
        roots.append(run / CASES[one].whole / "another-seed")
        for name, root, seed in zip((one, two, one), roots, (SEED, SEED, SEED + 1), strict=True):
            if (root / "done.json").is_file():
                continue
            log = run / "curves.txt"
            if code := finish(CASES[name].command(run, root, seed=seed), log=log):
                sys.exit(f"{root} ended with code {code}, see {log}")
        found[stage] = tuple(losses(root) for root in roots)
    return found


def rows_of(curves: dict[str, Any], stamp: dict[str, Any]) -> list[ResultRow]:
    """The largest difference of each stage, beside that of another seed."""
    rows = []
    for stage, (one, two, other) in curves.items():
        apart = differences(one, two)
        rows.append(
            ResultRow(
                metric=METRIC,
                value=float(apart.max()),
                control=float(differences(one, other).max()),
                control_name="one process with another seed",
                split=stage,
                n=len(one),
                unit="of train/loss",
                higher_is_better=False,
                ci_low=float("nan"),
                ci_high=float("nan"),
                note=f"two processes against one, over all steps; {apart[:EARLY_STEPS].max():.1e} "
                f"in the first {EARLY_STEPS}",
                stamp=stamp,
            )
        )
    return rows


def table(curves: dict[str, Any], stamp: dict[str, Any]) -> str:
    """A line a stage."""
    dirty = "+changes" if stamp["is_dirty"] else ""
    lines = [
        f"commit {str(stamp['commit'])[:8]}{dirty}, {stamp['machine']}, {stamp['date'][:10]}",
        "",
        f"| stage | steps | first {EARLY_STEPS} steps | all steps | another seed, all steps |",
        "| --- | --- | --- | --- | --- |",
    ]
    for stage, (one, two, other) in curves.items():
        apart = differences(one, two)
        lines.append(
            f"| {stage} | {len(one)} | {apart[:EARLY_STEPS].max():.1e} | {apart.max():.1e} "
            f"| {differences(one, other).max():.1e} |"
        )
    return "\n".join(lines) + "\n"


def draw(curves: dict[str, Any], path: Path) -> None:
    """A panel a stage."""
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    for axes, (stage, (one, two, other)) in zip(
        figure.subplots(1, len(curves)), curves.items(), strict=True
    ):
        axes.plot(other, color="0.85", label="another seed")
        axes.plot(one, color="0.55", linewidth=3, label="one process")
        axes.plot(two, color="C3", linewidth=1, linestyle="--", label="two processes")
        axes.set(title=stage, xlabel="step")
    figure.axes[0].set_ylabel("train/loss")
    figure.axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


def main(run: Path, experiment: Path) -> None:
    curves = curves_of(run)
    environment = describe_environment(device="cpu")
    stamp = {
        "command": "bash experiments/006-resume/run.sh RUN",
        "commit": environment["commit"],
        "is_dirty": environment["is_dirty"],
        "machine": f"{environment['processor']}, {environment['cpu_count']} CPUs",
        "date": environment["started_at"],
        "device": "cpu",
        "seed": SEED,
        "cases": [],
    }
    results = experiment / "results.jsonl"
    known = read_rows(results) if results.is_file() else []
    kept = [row for row in known if row.metric != METRIC]
    write_rows(results, [*kept, *rows_of(curves, stamp)])
    put_between(experiment / "README.md", "curves", table(curves, stamp))
    draw(curves, experiment / "curves.png")


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else here)
