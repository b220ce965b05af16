"""Results file and README tables of experiment 103, beside the paper's tables 3 and 4.

usage: python experiments/103-tables-3-4/table.py OUT EXPERIMENT

OUT is the folder of run.sh; EXPERIMENT holds the README and receives results.jsonl: all rows of the
protocol, of every kind of clips that OUT has results of.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from vasa.evaluation.metrics.clip_metric import Estimate, MeanOverClips
from vasa.evaluation.report.marks import put_between

# VASA-1 tables 3 and 4: CAPP of real pairs.
PAPER = {
    "shift": {"0": 0.608, "1": 0.462, "2": 0.206, "3": 0.069, "4": 0.082},
    "scale": {"0.2": 0.368, "0.5": 0.584, "1": 0.608, "1.5": 0.587, "3": 0.505},
}
WHAT = {"shift": "sound shifted by (frames)", "scale": "differences of poses times"}
WITHOUT = {"shift": "0", "scale": "1"}
KINDS = {"synth": "synthetic", "real": "real"}
FALLING = ("0", "2", "4", "8")
"""Shifts over which the score should fall from each to the next, those that were measured."""
NUM_RESAMPLES = 2000

Row = dict[str, Any]


def read_kinds(out: Path) -> dict[str, dict[str, Row]]:
    """Rows by name without `capp/` and the kind, by kind; ends the script where there are none."""
    found = {}
    for folder, kind in KINDS.items():
        file = out / folder / "results.jsonl"
        if file.is_file():
            rows = [json.loads(line) for line in file.read_text().splitlines()]
            found[kind] = {
                row["metric"].removeprefix("capp/").removeprefix(f"{kind}_"): row for row in rows
            }
    if not found:
        sys.exit(f"expected results at {out}/synth or {out}/real; run run.sh")
    return found


def difference(first: Row, second: Row) -> Estimate:
    """First less second, clip by clip."""
    metric = MeanOverClips()
    for one, two in zip(first["clip_values"], second["clip_values"], strict=True):
        metric.update(torch.tensor(one - two))
    return metric.estimate(num_resamples=NUM_RESAMPLES, seed=0)


def cell(row: Row | None) -> str:
    """Value and interval."""
    if row is None:
        return "—"
    return f"{row['value']:.3f} ({row['ci_low']:.3f} … {row['ci_high']:.3f})"


def values_of(rows: dict[str, Row], name: str) -> list[str]:
    """Shifts or scales that were measured, in order."""
    found = [metric.split("_")[1] for metric in rows if metric.startswith(f"{name}_")]
    return sorted(found, key=float)


def table(kinds: dict[str, dict[str, Row]], name: str) -> str:
    """One of the paper's tables, ours beside it."""
    head = [WHAT[name]]
    for kind in kinds:
        head += [f"CAPP(own), {kind}", f"less {name} {WITHOUT[name]}, clip by clip"]
    head += ["CAPP, paper"]
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    every = {value for rows in kinds.values() for value in values_of(rows, name)}
    for value in sorted(every | set(PAPER[name]), key=float):
        cells = [value]
        for rows in kinds.values():
            row, plain = rows.get(f"{name}_{value}"), rows[f"{name}_{WITHOUT[name]}"]
            cells.append(cell(row))
            lost = None if row is None or row is plain else difference(row, plain)
            cells.append(
                "—"
                if lost is None
                else f"{lost.value:+.3f} ({lost.ci_low:+.3f} … {lost.ci_high:+.3f})"
            )
        paper = PAPER[name].get(value)
        cells.append("—" if paper is None else f"*{paper:.3f}*")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def verdicts(kinds: dict[str, dict[str, Row]]) -> str:
    """What was measured on, controls, and whether the scores go the way that they should."""
    lines = []
    for kind, rows in kinds.items():
        own, random = rows["shift_0"], rows["random_weights"]
        commit = (own["commit"] or "unknown")[:12] + ("+changes" if own["is_dirty"] else "")
        networks = ", ".join(f"{role} {digest}" for role, digest in own["models"].items())
        lines += [
            f"**{kind.capitalize()}**: {own['n']} held-out clips, seed {own['seed']}, commit "
            f"{commit}, {own['machine']}, {own['date'][:10]}; {networks}.",
            "",
            f"- Own sound {cell(own)}; other clips' sound {own['control']:.3f} "
            f"({own['control_ci_low']:.3f} … {own['control_ci_high']:.3f}). The same network with "
            f"random weights: own {cell(random)}, others' {random['control']:.3f}.",
        ]
        shifts = [k for k in FALLING if f"shift_{k}" in rows]
        steps = []
        for before, after in zip(shifts, shifts[1:], strict=False):
            step = difference(rows[f"shift_{after}"], rows[f"shift_{before}"])
            verdict = "falls" if step.ci_high < 0 else "rises" if step.ci_low > 0 else "undecided"
            steps.append(
                f"{before} to {after} {verdict} ({step.value:+.3f}, {step.ci_low:+.3f} … "
                f"{step.ci_high:+.3f})"
            )
        lines.append(f"- Over shifts, clip by clip: {'; '.join(steps)}.")
        scales = values_of(rows, "scale")
        best = max(scales, key=lambda value: rows[f"scale_{value}"]["value"])
        lines.append(f"- Highest at scale {best} of {', '.join(scales)}.")
        for name in ("remeasured", "generated"):
            if name in rows:
                row = rows[name]
                lines.append(
                    f"- Poses read from {'real' if name == 'remeasured' else 'generated'} frames: "
                    f"{cell(row)}; with other clips' sound {row['control']:.3f}."
                )
        lines.append("")
    return "\n".join(lines)


def main(out: Path, experiment: Path) -> None:
    """Write results.jsonl and the tables."""
    kinds = read_kinds(out)
    records = [json.dumps(row) for rows in kinds.values() for row in rows.values()]
    (experiment / "results.jsonl").write_text("\n".join(records) + "\n")
    readme = experiment / "README.md"
    put_between(readme, "what", verdicts(kinds))
    put_between(readme, "table 3", table(kinds, "shift"))
    put_between(readme, "table 4", table(kinds, "scale"))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
