"""Results file and README tables of experiments 101 and 102, beside the paper's tables 1 and 2.

usage: python experiments/method_table.py NUMBER OUT EXPERIMENT

NUMBER is the paper's table, OUT the folder of run.sh; EXPERIMENT holds the README and receives
results.jsonl: all rows of every kind of clips that OUT has results of, and clips.txt, the list of
the synthetic ones.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from vasa.evaluation.report.marks import put_between
from vasa.evaluation.report.method_tables import method_grids
from vasa.evaluation.report.paper_layout import grids_latex, grids_markdown
from vasa.evaluation.report.paper_numbers import PAPER_TABLES
from vasa.evaluation.report.tables import markdown_table
from vasa.evaluation.results import ResultRow, read_rows, write_rows

KINDS = {"synth": "Synthetic people", "real": "Real people"}
BESIDE = "reencoding/"


def keep_list(rows: Sequence[ResultRow], path: Path) -> None:
    """Copies the list of clips that were scored, of a set that `vasa synth` makes again."""
    listed = {found["file"] for row in rows if (found := row.stamp.get("clip_list"))}
    for file in listed:
        path.write_text(Path(file).read_text())


def main(number: int, out: Path, experiment: Path) -> None:
    """Write results.jsonl, the tables of each kind of clips, and the same as LaTeX."""
    files = {name: out / folder / "results.jsonl" for folder, name in KINDS.items()}
    found = {name: read_rows(file) for name, file in files.items() if file.is_file()}
    if not found:
        sys.exit(f"expected results at {out}/synth or {out}/real; run run.sh")
    lines: list[str] = []
    latex = []
    # Scores of different people are different measurements: each kind has tables of its own.
    for name, rows in found.items():
        grids = method_grids(rows, PAPER_TABLES[number])
        if not grids:
            sys.exit(f"expected rows methods/<method>/<name> in {files[name]}; run run.sh")
        lines += ["", f"## {name}", *grids_markdown(grids)]
        latex.append(f"% {name}\n{grids_latex(grids)}")
        if codec := [row for row in rows if row.metric.startswith(BESIDE)]:
            lines += ["", "### What the codec does to these scores", "", markdown_table(codec)]
    keep_list(found.get(KINDS["synth"], []), experiment / "clips.txt")
    write_rows(experiment / "results.jsonl", [row for rows in found.values() for row in rows])
    (experiment / "table.tex").write_text("\n".join(latex))
    put_between(experiment / "README.md", "table", "\n".join(lines[1:]) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("1", "2"):
        sys.exit(__doc__)
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
