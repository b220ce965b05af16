"""Results file, README tables and figure of experiment 103, beside the paper's tables 3 and 4.

usage: python experiments/103-tables-3-4/table.py OUT EXPERIMENT

OUT is the folder of run.sh; EXPERIMENT holds the README and receives results.jsonl (all rows of the
protocol, of every kind of clips that OUT has results of) and the figure.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from vasa.evaluation.report.capp_tables import capp_grids, measured_values
from vasa.evaluation.report.marks import put_between
from vasa.evaluation.report.paper_layout import grid_lines
from vasa.evaluation.report.paper_numbers import PAPER_TABLES
from vasa.evaluation.report.paper_plots import capp_figure
from vasa.evaluation.report.samples import difference, difference_text, estimate_text
from vasa.evaluation.results import ResultRow, read_rows, write_rows

KINDS = {"synth": "synthetic", "real": "real"}
FALLING = ("0", "2", "4", "8")
"""Shifts over which the score should fall from each to the next, those that were measured."""
FIGURE = "capp.png"


def read_kinds(out: Path) -> list[ResultRow]:
    """The rows of every kind of clips; ends the script where there are none."""
    files = [out / folder / "results.jsonl" for folder in KINDS]
    rows = [row for file in files if file.is_file() for row in read_rows(file)]
    if not rows:
        sys.exit(f"expected results at {out}/synth or {out}/real; run run.sh")
    return rows


def table(rows: Sequence[ResultRow], number: int) -> str:
    """One of the paper's tables, ours beside it."""
    lines = [line for grid in capp_grids(rows, PAPER_TABLES[number]) for line in grid_lines(grid)]
    return "\n".join(lines) + "\n"


def verdicts(rows: Sequence[ResultRow]) -> str:
    """What was measured on, controls, and whether the scores go the way that they should."""
    lines: list[str] = []
    for kind in KINDS.values():
        start = f"capp/{kind}_"
        found = {
            row.metric.removeprefix(start): row for row in rows if row.metric.startswith(start)
        }
        # Generated videos are named without the kind; they are of the kind scored with them.
        identity = {row.stamp.get("identity") for row in found.values()}
        for row in rows:
            if row.metric == "capp/generated" and row.stamp.get("identity") in identity:
                found["generated"] = row
        if found:
            lines += _of_kind(kind, found)
    return "\n".join(lines)


def _of_kind(kind: str, rows: dict[str, ResultRow]) -> list[str]:
    own, random = rows["shift_0"], rows["random_weights"]
    told = own.stamp
    commit = (told.get("commit") or "unknown")[:12] + ("+changes" if told.get("is_dirty") else "")
    networks = ", ".join(f"{role} {digest}" for role, digest in told["models"].items())
    lines = [
        f"**{kind.capitalize()}**: {own.n} held-out clips, seed {told['seed']}, commit {commit}, "
        f"{told['machine']}, {told['date'][:10]}; {networks}.",
        "",
        f"- Own sound {estimate_text([own])}; other clips' sound {own.control:.3f} "
        f"({own.control_ci_low:.3f} … {own.control_ci_high:.3f}). The same network with random "
        f"weights: own {estimate_text([random])}, others' {random.control:.3f}.",
    ]
    shifts = [k for k in FALLING if f"shift_{k}" in rows]
    steps = []
    for before, after in zip(shifts, shifts[1:], strict=False):
        step = difference([rows[f"shift_{after}"]], [rows[f"shift_{before}"]])
        if step is None:
            continue
        verdict = "falls" if step.ci_high < 0 else "rises" if step.ci_low > 0 else "undecided"
        steps.append(f"{before} to {after} {verdict} {_in_brackets(difference_text(step))}")
    lines.append(f"- Over shifts, clip by clip: {'; '.join(steps)}.")
    scales = measured_values(rows, "scale")
    best = max(scales, key=lambda value: rows[f"scale_{value}"].value)
    lines.append(f"- Highest at scale {best} of {', '.join(scales)}.")
    for name, frames in (("remeasured", "real"), ("generated", "generated")):
        if row := rows.get(name):
            lines.append(
                f"- Poses read from {frames} frames: {estimate_text([row])}; with other clips' "
                f"sound {row.control:.3f}."
            )
    return [*lines, ""]


def _in_brackets(text: str) -> str:
    """`-0.269 (-0.316 … -0.218)` to `(-0.269, -0.316 … -0.218)`."""
    return "(" + text.replace(" (", ", ")


def main(out: Path, experiment: Path) -> None:
    """Write results.jsonl, the figure and the tables."""
    rows = read_kinds(out)
    write_rows(experiment / "results.jsonl", rows)
    readme = experiment / "README.md"
    put_between(readme, "what", verdicts(rows))
    put_between(readme, "table 3", table(rows, 3))
    figure = capp_figure(rows)
    drawn = "" if figure is None else f"\n![CAPP against shift and scale]({FIGURE})\n"
    put_between(readme, "table 4", table(rows, 4) + drawn)
    if figure is not None:
        figure.savefig(experiment / FIGURE, dpi=100)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
