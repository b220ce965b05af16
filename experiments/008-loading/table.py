"""Results file and table of experiment 008.

usage: python experiments/008-loading/table.py EXPERIMENT RECORD...

The records are those of `vasa bench parts=[data]`; EXPERIMENT holds the README and receives
results.jsonl. What is lowest over the sizes is taken over all records.
"""

import json
import sys
from pathlib import Path
from typing import Any

from vasa.evaluation.report.marks import put_between

COLUMNS = {
    "shards": "shards",
    "shards_1_workers": "1 worker",
    "shards_2_workers": "2 workers",
    "shards_from_memory": "from memory",
    "limit_decode": "raw decoding",
    "limit_ffmpeg": "ffmpeg program",
    "limit_read": "bytes alone",
    "shards_by_pyav": "shards by PyAV",
    "shards_by_decord": "shards by decord",
    "files_decord": "files, decord",
    "files_torchcodec": "files, torchcodec",
    "litdata": "LitData",
}
RATIOS = ("raw_decode", "ffmpeg_program", "files_decord", "files_torchcodec", "litdata")

Row = dict[str, Any]


def cell(row: Row | None, digits: int) -> str:
    """A value; a dash where it was not measured."""
    return "—" if row is None or row["value"] is None else f"{row['value']:,.{digits}f}"


def lowest(rows: dict[str, Row]) -> list[Row]:
    """The ratios' rows over all sizes."""
    found = []
    for name in RATIOS:
        own = [row for key, row in rows.items() if key.endswith(f"/ratio_to_{name}")]
        if own := [row for row in own if row["metric"].count("/") == 2]:
            least = min(own, key=lambda row: row["value"])
            note = f"the lowest of {len(own)} sizes: {least['metric'].split('/')[1]} px"
            found.append({**least, "metric": f"data/ratio_to_{name}", "n": len(own), "note": note})
    return found


def tables(rows: dict[str, Row]) -> str:
    """Windows a CPU second by size, then ratios."""
    sizes = sorted({int(key.split("/")[1]) for key in rows if key.split("/")[1].isdigit()})
    first = next(iter(rows.values()))
    commit = first["commit"][:12] + ("+changes" if first["is_dirty"] else "")
    lines = [f"commit {commit}, {first['machine']}, {first['date'][:10]}", ""]
    lines += ["Windows of 8 frames a CPU second:", ""]
    lines += ["| px | " + " | ".join(COLUMNS.values()) + " | MB/s of shards | by the clock |"]
    lines += ["| --- " * (len(COLUMNS) + 3) + "|"]
    for size in sizes:
        own = [cell(rows.get(f"data/{size}/{name}"), 0) for name in COLUMNS]
        own += [cell(rows.get(f"data/{size}/shards_{name}"), 0) for name in ("mb", "wall")]
        lines.append(f"| {size} | " + " | ".join(own) + " |")
    lines += ["", "From shards, none kept, over:", ""]
    lines += ["| px | " + " | ".join(name.replace("_", " ") for name in RATIOS) + " |"]
    lines += ["| --- " * (len(RATIOS) + 1) + "|"]
    for size in sizes:
        own = [cell(rows.get(f"data/{size}/ratio_to_{name}"), 2) for name in RATIOS]
        lines.append(f"| {size} | " + " | ".join(own) + " |")
    own = [cell(rows.get(f"data/ratio_to_{name}"), 2) for name in RATIOS]
    lines.append("| lowest | " + " | ".join(own) + " |")
    for name in ("data/stage2_ratio_to_training", "data/stage2_ratio_to_training_decoded"):
        if name in rows:
            lines += ["", f"`{name}` {cell(rows[name], 1)}: {rows[name]['note']}"]
    return "\n".join(lines) + "\n"


def main(experiment: Path, records: list[Path]) -> None:
    """Write results.jsonl and the table."""
    texts = [path.read_text().replace(str(path.parent), "RUN") for path in records]
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    rows = {row["metric"]: row for row in lines if not row["metric"].startswith("data/ratio_to_")}
    rows |= {row["metric"]: row for row in lowest(rows)}
    text = "".join(json.dumps(row) + "\n" for row in rows.values())
    (experiment / "results.jsonl").write_text(text)
    put_between(experiment / "README.md", "loading", tables(rows))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
