"""What became of one clip of the list, on disk: a killed preparation goes on from these.

A tar holds the clips as their shard will hold them, so that the shards are put together without
encoding anything again, and a set's content does not depend on who prepared which clip.
"""

import hashlib
import io
import json
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path

from data_prep.clip import DropRow, Prepared
from data_prep.layouts import ClipSource
from vasa.data.shards import EncodedClip, encode_clip

_RECORD = "record.json"


@dataclass(frozen=True, kw_only=True)
class Work:
    """A finished piece of work: clips to write, and what was left out."""

    clips: tuple[EncodedClip, ...]
    dropped: tuple[DropRow, ...]


def work_file(folder: Path, source: ClipSource) -> Path:
    """Where a clip's result is kept; another name once the file or the stretch has changed."""
    state = "missing"
    if source.path.is_file():
        status = source.path.stat()
        state = f"{status.st_size} {status.st_mtime_ns}"
    text = f"{source.key} {state} {source.start_s} {source.end_s} {source.region}"
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:20]}.tar"


def save_work(path: Path, prepared: Prepared, *, prep_version: str) -> None:
    """Encode and write a result; the file appears when it is whole."""
    clips = [encode_clip(clip, prep_version=prep_version) for clip in prepared.clips]
    record = {
        "rows": [clip.row for clip in clips],
        "dropped": [asdict(row) for row in prepared.dropped],
    }
    part = path.with_name(path.name + ".part")
    with tarfile.open(part, "w") as archive:
        _add(archive, _RECORD, json.dumps(record).encode())
        for number, clip in enumerate(clips):
            for suffix, data in clip.members.items():
                _add(archive, f"{number}.{suffix}", data)
    part.replace(path)


def load_work(path: Path) -> Work:
    """Read a result back."""
    members: dict[str, bytes] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None, f"{path} holds something else than files"
            members[member.name] = content.read()
    record = json.loads(members[_RECORD])
    clips = []
    for number, row in enumerate(record["rows"]):
        prefix = f"{number}."
        parts = {
            name.removeprefix(prefix): data
            for name, data in members.items()
            if name.startswith(prefix)
        }
        clips.append(EncodedClip(members=parts, row=row))
    return Work(clips=tuple(clips), dropped=tuple(DropRow(**row) for row in record["dropped"]))


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))
