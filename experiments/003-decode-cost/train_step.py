"""Table of training steps from a record of `vasa bench parts=[train_step]`.

usage: python experiments/003-decode-cost/train_step.py BENCH README

BENCH is the record; its rows are kept in train_step.jsonl beside this script, and the table of
README is replaced.
"""

import json
import sys
from pathlib import Path
from typing import Any

from vasa.evaluation.report.marks import put_between

HEAD = ("preset", "frames/s", "seconds a step", "peak, GB", "parameters, M", "batch")


def table(rows: list[dict[str, Any]]) -> str:
    """A line a preset."""
    values = {row["metric"].removeprefix("train_step/"): row for row in rows}
    names = [name for name in values if f"{name}_s" in values]
    first = rows[0]
    commit = first["commit"][:12] + ("+changes" if first["is_dirty"] else "")
    lines = [
        f"{first['machine']}, {first['date'][:10]}, commit {commit}; one thread beside other work:",
        "",
        "| " + " | ".join(HEAD) + " |",
        "| --- " * len(HEAD) + "|",
    ]
    for name in names:
        kinds = ("", "_s", "_peak_gb", "_parameters")
        numbers = [_short(values[name + kind]["value"]) for kind in kinds]
        lines.append(f"| {name} | {' | '.join(numbers)} | {values[name]['note']} |")
    return "\n".join(lines) + "\n"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    bench = Path(sys.argv[1])
    text = bench.read_text().replace(str(bench), "RECORD")
    record = [json.loads(line) for line in text.splitlines()]
    put_between(Path(sys.argv[2]), "train_step", table(record))
    kept = "".join(json.dumps(row) + "\n" for row in record)
    (Path(__file__).parent / "train_step.jsonl").write_text(kept)
