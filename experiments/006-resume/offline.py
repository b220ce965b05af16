"""What wandb's offline file of a run holds, beside the run's own record."""

import json
import math
import struct
from collections import defaultdict
from pathlib import Path
from typing import Any

HEADER_BYTES = 7  # of the file, and of each of its records
BLOCK_BYTES = 32768  # no record's header crosses the end of one (LevelDB's log format)
FULL, LAST = 1, 4  # kinds of records: whole, last part


def newest_file(root: Path) -> Path:
    """Of the last start of a run; it begins with what the starts before it logged."""
    return max(root.glob("wandb/offline-run-*/*.wandb"), key=lambda path: path.stat().st_mtime_ns)


def logged(path: Path) -> dict[int, dict[str, Any]]:
    """Values by step; wandb's own names begin with an underscore and are left out."""
    from wandb.proto.wandb_internal_pb2 import Record

    content = path.read_bytes()
    place, part = HEADER_BYTES, b""
    steps: dict[int, dict[str, Any]] = defaultdict(dict)
    while place + HEADER_BYTES <= len(content):
        if (left := BLOCK_BYTES - place % BLOCK_BYTES) < HEADER_BYTES:
            place += left
            continue
        _, size, kind = struct.unpack_from("<IHB", content, place)
        place += HEADER_BYTES
        part += content[place : place + size]
        place += size
        if kind not in (FULL, LAST):
            continue
        record, part = Record.FromString(part), b""
        if record.WhichOneof("record_type") == "history":
            values = {
                item.key or "/".join(item.nested_key): json.loads(item.value_json)
                for item in record.history.item
            }
            step = int(values["_step"])
            steps[step] |= {key: one for key, one in values.items() if not key.startswith("_")}
    return dict(steps)


def lost_lines(root: Path) -> int:
    """Lines of a run's metrics.jsonl that its newest offline file lacks or has otherwise.

    wandb writes numbers with a digit less, and is not given the record's own clock; pictures and
    histograms of a step stand beside its values.

    Args:
        root: run folder.
    """
    found = logged(newest_file(root))
    lost = 0
    for text in (root / "metrics.jsonl").read_text().splitlines():
        values = json.loads(text)
        there = found.get(values.pop("step"), {})
        del values["time_s"]
        lost += not all(
            key in there and math.isclose(value, there[key], rel_tol=1e-12)
            for key, value in values.items()
        )
    return lost
