"""Results file and README tables of experiment 009.

usage: python experiments/009-motion/table.py RUN EXPERIMENT

RUN is the folder of run.sh; EXPERIMENT holds the README and receives results.jsonl: what was
scored, then what `vasa bench` measured.
"""

import json
import sys
from pathlib import Path
from typing import Any

from vasa.evaluation.report.marks import put_between

ASKED = (
    "generated/mouth_correlation",
    "generated/closure_rate",
    "generated/blink_rate_deviation",
    "generated/pose_variation_ratio",
    "generated/sync_ratio",
)
BESIDE = (
    "generated/mouth_width_correlation",
    "generated/blink_rate",
    "generated/pose_change",
    "generated/gaze_error_deg",
    "generated/distance_error",
    "generated/identity_similarity",
    "sync/real_offset_accuracy",
    "sync/generated_offset_accuracy",
    "sync/real_confidence",
    "sync/generated_confidence",
)
SPEED = {
    "stream/tiny_64_max_difference_to_offline": "stream/max_difference_to_offline",
    "stream/tiny_64": "stream/frames_a_second",
    "stream/tiny_64_first_frame_s": "stream/first_frame_s",
    "stream/tiny_64_p99_s": "stream/p99_s",
    "motion/base_cpu_s_for_4s": "motion/base_cpu_s_for_4s",
    "motion/base_cpu_s_for_4s_bf16": "motion/base_cpu_s_for_4s_bf16",
}
"""What `vasa bench` calls a number, and what it is called here."""

Row = dict[str, Any]


def rows_of(path: Path, *, run: Path) -> list[Row]:
    """Rows of a file, with RUN for where all of it lay."""
    if not path.is_file():
        sys.exit(f"expected results at {path}; run run.sh")
    return [json.loads(line) for line in path.read_text().replace(str(run), "RUN").splitlines()]


def number(value: float | None) -> str:
    """Three digits; a dash where there is none."""
    return "—" if value is None else f"{value:.3f}"


def scores_table(rows: dict[str, Row]) -> str:
    """What was asked, then what stands beside it."""
    first = rows[ASKED[0]]
    lines = [
        f"{first['n']} held-out people and sentences, seed {first['seed']}, {_where(first)}:",
        "",
        "| number | value | 95% CI | control | control is | judged |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in (*ASKED, *BESIDE):
        if row := rows.get(name):
            verdicts = "; ".join(
                f"{'met' if c['passed'] else 'NOT met'}: {c['text']}" for c in row["criteria"]
            )
            lines.append(
                f"| `{name}` | {number(row['value'])} | {number(row['ci_low'])} … "
                f"{number(row['ci_high'])} | {number(row['control'])} | {row['control_name']} "
                f"| {verdicts} |"
            )
    return "\n".join(lines) + "\n"


def diversity_table(rows: dict[str, Row]) -> str:
    """Every row of the protocol diversity."""
    lines = [
        "| number | value | 95% CI | control | control is |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, row in rows.items():
        if name.startswith("diversity/"):
            lines.append(
                f"| `{name}` | {number(row['value'])} | {number(row['ci_low'])} … "
                f"{number(row['ci_high'])} | {number(row['control'])} | {row['control_name']} |"
            )
    return "\n".join(lines) + "\n"


def speed_table(rows: list[Row]) -> str:
    """What `vasa bench` measured."""
    lines = [f"{_where(rows[0])}:", "", "| number | value | unit |", "| --- | --- | --- |"]
    lines += [f"| `{row['metric']}` | {number(row['value'])} | {row['unit']} |" for row in rows]
    return "\n".join(lines) + "\n"


def _where(row: Row) -> str:
    commit = row["commit"][:12] + ("+changes" if row["is_dirty"] else "")
    return f"commit {commit}, {row['machine']}, {row['date'][:10]}"


def main(run: Path, experiment: Path) -> None:
    """Write results.jsonl and the tables."""
    scored = rows_of(run / "results.jsonl", run=run)
    found = {row["metric"]: row for row in rows_of(run / "bench.jsonl", run=run)}
    measured = [{**found[old], "metric": new} for old, new in SPEED.items() if old in found]
    lines = [json.dumps(row) for row in (*scored, *measured)]
    (experiment / "results.jsonl").write_text("\n".join(lines) + "\n")
    readme = experiment / "README.md"
    by_name = {row["metric"]: row for row in scored}
    put_between(readme, "scores", scores_table(by_name))
    put_between(readme, "diversity", diversity_table(by_name))
    put_between(readme, "speed", speed_table(measured))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
