"""Motion shards: what stage 1 and the audio encoder make of face shards, for stage 2.

`<root>/<split>/000000.tar` holds a clip as two members: `npz` (motion `t m`, audio `t f`, the
labels of the face shard but its region maps) and `json` (key, speaker, stage-1 hash, audio
encoder). Beside: index.parquet, dropped.parquet (face clips that could not be read, each with its
reason), stats.npz (of the train split) and set.json, which names the stage-1 net and the audio
encoder of the whole set. Shapes: t frames, m motion, f features.
"""

import io
import json
import tarfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

from vasa.data.moments import Moments
from vasa.data.remote import ShardRoot, open_shards
from vasa.data.schema import FaceLabels
from vasa.data.shard_members import content_hash, read_members
from vasa.data.shards import pack_arrays, read_index, safe_key
from vasa.types import InputError

AUDIO_DTYPE = np.float16
MOTION_HASH = "motion_sha256"
"""Index column of the members' hash; `sha256` is that of the face clip they were made from."""


@dataclass(frozen=True, kw_only=True)
class MotionSetInfo:
    """What all clips of a motion set have in common.

    Attributes:
        stage1_hash: `model_hash` of the stage-1 net, hex.
        audio_encoder: `describe()` of the audio encoder.
        num_motion: m.
        num_audio_features: f.
    """

    stage1_hash: str
    audio_encoder: str
    num_motion: int
    num_audio_features: int

    @staticmethod
    def read(root: str | Path | ShardRoot) -> "MotionSetInfo":
        """Read set.json.

        Raises:
            InputError: no motion set at `root`.
        """
        root = open_shards(root)
        try:
            content = root.read_file("set.json")
        except (FileNotFoundError, NotADirectoryError):
            raise InputError(
                f"expected motion shards with a set.json at {root}, found none; "
                "make them with `vasa encode`"
            ) from None
        return MotionSetInfo(**json.loads(content))

    def write(self, root: Path) -> None:
        """Write set.json."""
        root.mkdir(parents=True, exist_ok=True)
        with _replacing(root / "set.json") as part:
            part.write_text(json.dumps(asdict(self), indent=2) + "\n")


@dataclass(frozen=True, kw_only=True)
class MotionClip:
    """A clip of a motion set: motion `t m`, audio features `t f`, labels."""

    key: str
    speaker: str
    motion: np.ndarray
    audio: np.ndarray
    labels: FaceLabels


class MotionShardWriter:
    """Writes one motion shard; it and its rows exist only when whole.

    What a killed run left of the same shard is removed.

    Args:
        root: the motion set.
        shard: path of the shard below `root`, the same as the face shard's.
        info: of the set.
    """

    def __init__(self, *, root: Path, shard: str, info: MotionSetInfo) -> None:
        self.root = root
        self.shard = shard
        self.info = info
        self.rows: list[dict[str, Any]] = []
        self._dropped: list[dict[str, str]] = []
        self._path = root / shard
        self._path.parent.mkdir(parents=True, exist_ok=True)
        for left in self._path.parent.glob(f"{self._path.stem}.*.part"):
            left.unlink(missing_ok=True)
        self._part = _part_of(self._path)
        self._archive = tarfile.open(self._part, "w")

    def __enter__(self) -> "MotionShardWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._archive.close()
            self._part.unlink(missing_ok=True)

    def write(self, clip: MotionClip, *, face_row: Any, details: dict[str, Any]) -> None:
        """Append one clip.

        Args:
            clip: motion, features and labels.
            face_row: the clip's row in the face shards' index.
            details: the face shard's `json` member.
        """
        labels = clip.labels.to_arrays()
        labels.pop("regions", None)
        arrays = {
            "motion": clip.motion.astype(np.float32),
            "audio": clip.audio.astype(AUDIO_DTYPE),
            **labels,
        }
        described = {
            **details,
            "stage1_hash": self.info.stage1_hash,
            "audio_encoder": self.info.audio_encoder,
        }
        start = self._archive.offset
        members = {"npz": pack_arrays(arrays), "json": json.dumps(described).encode()}
        for suffix, data in members.items():
            member = tarfile.TarInfo(f"{safe_key(clip.key)}.{suffix}")
            member.size = len(data)
            self._archive.addfile(member, io.BytesIO(data))
        place = {"offset": start, "size": self._archive.offset - start}
        of_face = ("Index", "members")
        known = {name: value for name, value in face_row._asdict().items() if name not in of_face}
        hashed = {MOTION_HASH: content_hash(members)}
        self.rows.append({**known, **place, **hashed, "shard": self.shard})

    def drop(self, key: str, *, reason: str, detail: str) -> None:
        """Record a clip that is left out."""
        self._dropped.append({"key": key, "reason": reason, "detail": detail})

    def close(self) -> None:
        """Put the rows, what was dropped, then the shard, in their places."""
        self._archive.close()
        with _replacing(rows_path(self.root, self.shard)) as part:
            pd.DataFrame(self.rows).to_parquet(part, index=False)
        dropped = dropped_path(self.root, self.shard)
        dropped.unlink(missing_ok=True)
        if self._dropped:
            with _replacing(dropped) as part:
                pd.DataFrame(self._dropped).to_parquet(part, index=False)
        self._part.replace(self._path)


def rows_path(root: Path, shard: str) -> Path:
    """Where the index rows of one shard lie."""
    return (root / shard).with_suffix(".parquet")


def dropped_path(root: Path, shard: str) -> Path:
    """Where the clips that one shard is without are listed, if there are any."""
    return (root / shard).with_suffix(".dropped.parquet")


def read_dropped(root: Path, *, shards: list[str]) -> pd.DataFrame:
    """Clips that the shards that are there are without: key, reason, detail."""
    tables = [
        pd.read_parquet(dropped_path(root, shard))
        for shard in shards
        if (root / shard).is_file() and dropped_path(root, shard).is_file()
    ]
    return pd.concat([pd.DataFrame(columns=["key", "reason", "detail"], dtype=str), *tables])


def read_motion_clip(root: str | Path | ShardRoot, row: Any) -> MotionClip:
    """The clip of an index row."""
    return parse_motion_clip(read_members(root, row), row)


def parse_motion_clip(members: Mapping[str, bytes], row: Any) -> MotionClip:
    """Decode a clip's members."""
    with np.load(io.BytesIO(members["npz"]), allow_pickle=False) as arrays:
        values = dict(arrays)
    motion, audio = values.pop("motion"), values.pop("audio").astype(np.float32)
    return MotionClip(
        key=row.key, speaker=row.speaker, motion=motion, audio=audio, labels=FaceLabels(**values)
    )


def finish_motion_set(root: Path, *, shards: list[str]) -> None:
    """Join the shards' rows to index.parquet and write dropped.parquet and stats.npz.

    Clips are read one after another, so that memory does not grow with the set. Several processes
    may finish a set at once: each file is whole at any time, and the same from all of them.

    Args:
        root: the motion set.
        shards: all of its shards, in the order of the index.

    Raises:
        InputError: no clip, or none of the train split.
    """
    tables = [pd.read_parquet(rows_path(root, shard)) for shard in shards]
    tables = [table for table in tables if len(table)]
    if not tables:
        raise InputError(f"expected clips in {root}, every one was left out")
    with _replacing(root / "index.parquet") as part:
        pd.concat(tables).to_parquet(part, index=False)
    with _replacing(root / "dropped.parquet") as part:
        read_dropped(root, shards=shards).to_parquet(part, index=False)
    train = read_index(root, split="train")
    write_statistics(root, (read_motion_clip(root, row) for row in train.itertuples()))


def write_statistics(root: Path, clips: Iterable[MotionClip]) -> None:
    """Mean and standard deviation of motion, audio, gaze and distance over valid frames.

    Audio is that of all frames. Clips are taken one at a time.
    """
    moments: dict[str, Moments] = {}
    for clip in clips:
        valid = clip.labels.valid
        streams = {
            "motion": clip.motion[valid],
            "audio": clip.audio,
            "gaze": clip.labels.gaze[valid],
            "distance": np.exp(-clip.labels.pose[valid, 5:]),
        }
        for name, values in streams.items():
            part = Moments.of(values)
            moments[name] = moments[name].merged(part) if name in moments else part
    if not moments or not moments["motion"].count:
        raise InputError("expected valid frames in the train split, found none to measure")
    found: dict[str, np.ndarray] = {}
    for name, of_stream in moments.items():
        found[f"{name}_mean"] = of_stream.mean.astype(np.float32)
        found[f"{name}_std"] = of_stream.std.astype(np.float32)
    with _replacing(root / "stats.npz") as part:
        part.write_bytes(pack_arrays(found))


def read_statistics(root: str | Path | ShardRoot) -> dict[str, np.ndarray]:
    """What `write_statistics` wrote, by name."""
    content = open_shards(root).read_file("stats.npz")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file of its own to write, which then takes the place of `path`."""
    part = _part_of(path)
    yield part
    part.replace(path)


def _part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
