"""Rows and README table of an experiment that is a sweep of ablation rows over seeds.

usage: python experiments/sweep_table.py OUT EXPERIMENT METRIC ...

OUT holds the members, ROW-seedN, each scored into evaluation/results.jsonl; METRICs are columns.
"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from vasa.evaluation.report.marks import put_between
from vasa.evaluation.results import ResultRow, read_rows, write_rows


def main(out: Path, experiment: Path, metrics: list[str]) -> None:
    """Write results and tables."""
    page = out / "sweep.html"
    chosen = ",".join(metrics)
    subprocess.run(
        ["vasa", "report", f"sweep={out}", f"metric=[{chosen}]", f"output={page}"], check=True
    )
    rows: list[ResultRow] = []
    for path in sorted(out.glob("*-seed*/evaluation/results.jsonl")):
        member = path.parents[1].name
        rows += [
            replace(row, metric=f"{member}/{row.metric}", stamp={**row.stamp, "member": member})
            for row in read_rows(path)
            if row.metric in metrics
        ]
    if not rows:
        sys.exit(f"expected results below {out}; run run.sh")
    write_rows(experiment / "results.jsonl", rows)
    stamp = rows[0].stamp
    commit = str(stamp["commit"])[:12] + ("+changes" if stamp["is_dirty"] else "")
    text = f"Commit {commit}, {stamp['machine']}, {str(stamp['date'])[:10]}; {rows[0].n} clips.\n\n"
    told = page.with_suffix(".md").read_text().replace(str(out), "OUT")
    told = told.split("\n", 2)[2].replace("\n### ", "\n#### ").replace("\n## ", "\n### ")
    put_between(experiment / "README.md", "table", text + told)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
