"""What became of one clip of the list, on disk: a killed preparation goes on from these.

A tar holds the clips as their shard will hold them, so that the shards are put together without
encoding anything again, and a set's content does not depend on who prepared which clip.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from data_prep.clip import DropRow
from data_prep.layouts import ClipSource
from data_prep.step_clock import StepClock
from vasa.data.schema import FaceClip
from vasa.data.shards import EncodedClip, encode_clip

_RECORD = "record.json"


@dataclass(frozen=True, kw_only=True)
class Work:
    """A finished piece of work.

    Attributes:
        clips: to write.
        dropped: what was left out.
        seconds: CPU seconds it took, by step.
    """

    clips: tuple[EncodedClip, ...]
    dropped: tuple[DropRow, ...]
    seconds: dict[str, float]


def work_file(folder: Path, source: ClipSource) -> Path:
    """Where a clip's result is kept; another name once the file or the stretch has changed."""
    state = "missing"
    if source.path.is_file():
        status = source.path.stat()
        state = f"{status.st_size} {status.st_mtime_ns}"
    text = f"{source.key} {state} {source.start_s} {source.end_s} {source.region}"
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:20]}.tar"


def save_work(
    path: Path,
    results: Iterable[FaceClip | DropRow],
    *,
    prep_version: str,
    clock: StepClock | None = None,
) -> None:
    """Encode and write results as they come; the file appears when it is whole.

    Args:
        path: the file.
        results: of one clip of the list.
        prep_version: recorded with every clip.
        clock: its steps' seconds are kept beside the results.
    """
    clock = clock or StepClock()
    rows, dropped = [], []
    part = path.with_name(path.name + ".part")
    with tarfile.open(part, "w") as archive:
        for result in results:
            if isinstance(result, DropRow):
                dropped.append(asdict(result))
                continue
            with clock.step("encode"):
                clip = encode_clip(result, prep_version=prep_version)
            for suffix, data in clip.members.items():
                _add(archive, f"{len(rows)}.{suffix}", data)
            rows.append(clip.row)
        record = {"rows": rows, "dropped": dropped, "seconds": dict(clock.seconds)}
        _add(archive, _RECORD, json.dumps(record).encode())
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
    return Work(
        clips=tuple(clips),
        dropped=tuple(DropRow(**row) for row in record["dropped"]),
        seconds=record["seconds"],
    )


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))
