"""Results file, README table and figure of experiment 105, beside the paper's table 5.

usage: python experiments/105-table-5/table.py OUT EXPERIMENT synth|real

OUT is the folder of run.sh; EXPERIMENT holds the README and receives results.jsonl (the rows of the
table, with lambda_audio, lambda_gaze, steps and generation_seed) and the figure; of real clips,
results_real.jsonl and a figure of its own.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vasa.evaluation.report.guidance_table import COLUMNS, REAL, guidance_grids
from vasa.evaluation.report.marks import put_between
from vasa.evaluation.report.paper_layout import grids_markdown
from vasa.evaluation.report.paper_numbers import PAPER_TABLES
from vasa.evaluation.report.paper_plots import guidance_figure
from vasa.evaluation.results import ResultRow, read_rows, write_rows

SETTINGS = tuple(PAPER_TABLES[5].rows)
KEPT = {*COLUMNS, *REAL, "generated/sync_ratio"}
WRITTEN = {
    "synth": ("table", "results.jsonl", "guidance.png"),
    "real": ("real", "results_real.jsonl", "guidance_real.png"),
}
"""Of each kind of clips: the README's marks, the records and the figure."""


def read_runs(out: Path) -> list[ResultRow]:
    """The kept rows of all settings and seeds.

    Ends the script where a setting is missing or settings have other seeds.
    """
    rows, counts = [], set()
    for setting in SETTINGS:
        audio, gaze, steps = setting.split()
        folder = "_".join(setting.split())
        files = [found / "results.jsonl" for found in sorted(out.glob(f"{folder}-seed*"))]
        if not files or not all(file.is_file() for file in files):
            sys.exit(f"expected results at {out}/{folder}-seed*; run run.sh")
        counts.add(len(files))
        told = {"lambda_audio": float(audio), "lambda_gaze": float(gaze), "steps": int(steps)}
        for row in (row for file in files for row in read_rows(file) if row.metric in KEPT):
            seeded = {**row.stamp, **told, "generation_seed": row.stamp.get("seed")}
            rows.append(replace(row, stamp=seeded))
    if len(counts) != 1:
        sys.exit(f"expected as many seeds of each setting in {out}; run run.sh again")
    return rows


def table(rows: Sequence[ResultRow], figure: str) -> str:
    """The settings, our columns and the paper's, the trend, and the figure's file."""
    lines = grids_markdown(guidance_grids(rows, PAPER_TABLES[5]))
    return "\n".join(lines[1:]) + f"\n\n![Scores against guidance]({figure})\n"


def main(out: Path, experiment: Path, kind: str) -> None:
    """Write the records, the figure and the table."""
    mark, records, picture = WRITTEN[kind]
    rows = read_runs(out)
    write_rows(experiment / records, rows)
    figure = guidance_figure(rows)
    if figure is not None:
        figure.savefig(experiment / picture, dpi=100)
    put_between(experiment / "README.md", mark, table(rows, picture))


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[3] not in WRITTEN:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
