"""The mark of a complete output: what it was made from, and a word when it is asked for again."""

import hashlib
import json
import uuid
from pathlib import Path
from typing import Any


def is_complete(marker: Path, record: dict[str, Any]) -> bool:
    """Whether `marker` says that exactly this was done."""
    return marker.is_file() and json.loads(marker.read_text()).get("made_from") == record


def mark_complete(marker: Path, record: dict[str, Any], **facts: Any) -> None:
    """Write down that this was done; last of all.

    Args:
        marker: the file.
        record: what decides the output (JSON values).
        facts: what else is worth knowing.
    """
    part = marker.with_name(f"{marker.name}.{uuid.uuid4().hex}.part")  # several may write at once
    part.write_text(json.dumps({"made_from": record, **facts}, indent=2) + "\n")
    part.replace(marker)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
