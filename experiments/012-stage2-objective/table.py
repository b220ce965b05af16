"""Rows and README table of experiment 012: the sweep's report over seeds.

usage: python experiments/012-stage2-objective/table.py OUT EXPERIMENT
"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from vasa.evaluation.report.marks import put_between
from vasa.evaluation.results import ResultRow, read_rows, write_rows

SCORES = (
    "generated/mouth_correlation",
    "generated/closure_rate",
    "generated/pose_variation_ratio",
    "generated/blink_rate_deviation",
    "generated/sync_ratio",
)


def main(out: Path, experiment: Path) -> None:
    """Write results and tables."""
    page = out / "sweep.html"
    chosen = ",".join(SCORES)
    subprocess.run(
        ["vasa", "report", f"sweep={out}", f"metric=[{chosen}]", f"output={page}"], check=True
    )
    rows: list[ResultRow] = []
    for path in sorted(out.glob("*-seed*/evaluation/results.jsonl")):
        member = path.parents[1].name
        rows += [
            replace(row, metric=f"{member}/{row.metric}", stamp={**row.stamp, "member": member})
            for row in read_rows(path)
            if row.metric in SCORES
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
    if len(sys.argv) != 3:
        sys.exit("usage: table.py OUT EXPERIMENT")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
