"""Results file, table and pictures of experiment 106.

usage: python experiments/106-figure-3/table.py OUT EXPERIMENT synth|real

OUT is the folder of run.sh; EXPERIMENT holds the README and receives results.jsonl, the figure and
the sheet of pictures; of real people the numbers, in results_real.jsonl, and the figure alone.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from vasa.evaluation.report.marks import put_between

PICTURES = {
    "synth": {"10_controls.png": "asked.png", "11_control_pictures.png": "pictures.png"},
    "real": {"10_controls.png": "asked_real.png"},
}
HEAD = ("number", "value", "95% CI", "control", "control is", "n", "unit")

Row = dict[str, Any]


def number(value: float | None) -> str:
    """Three digits; a dash where there is none."""
    return "—" if value is None else f"{value:.3f}"


def table(rows: list[Row], pictures: list[str]) -> str:
    """Every row but the single asked values, which are in the figure; the figure's files."""
    shown = [row for row in rows if not row["metric"].startswith("control/asked/")]
    if not shown:
        sys.exit("expected rows control/..., found none; run run.sh")
    first = shown[0]
    commit = first["commit"][:12] + ("+changes" if first["is_dirty"] else "")
    lines = [
        f"{first['n']} sources ({first['evaluation']}), seed {first['seed']}, commit {commit}, "
        f"{first['machine']}, {first['date'][:10]}:",
        "",
        f"| {' | '.join(HEAD)} |",
        "| --- " * len(HEAD) + "|",
    ]
    for row in shown:
        cells = (
            f"`{row['metric']}`",
            number(row["value"]),
            f"{number(row['ci_low'])} … {number(row['ci_high'])}",
            number(row["control"]),
            row["control_name"],
            str(row["n"]),
            row["unit"],
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"![{Path(name).stem}]({name})" for name in pictures)]
    return "\n".join(lines) + "\n"


def main(out: Path, experiment: Path, kind: str) -> None:
    """Write the results, the table and the pictures."""
    file = out / "results.jsonl"
    if not file.is_file():
        sys.exit(f"expected results at {file}; run run.sh")
    pictures = PICTURES[kind]
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    text = table(rows, [*pictures.values()])
    put_between(experiment / "README.md", "real" if kind == "real" else "table", text)
    results = "results_real.jsonl" if kind == "real" else "results.jsonl"
    shutil.copyfile(file, experiment / results)
    for drawn, name in pictures.items():
        shutil.copyfile(out / "eval" / "sheets" / drawn, experiment / name)


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[3] not in PICTURES:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
