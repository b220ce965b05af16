"""Motion shards: what stage 1 and the audio encoder make of face shards, for stage 2.

`<root>/<split>/000000.tar` holds a clip as two members: `npz` (motion `t m`, audio `t f`, the
labels of the face shard but its region maps) and `json` (key, speaker, stage-1 hash, audio
encoder). Beside: index.parquet, stats.npz (of the train split) and set.json, which names the
stage-1 net and the audio encoder of the whole set. Shapes: t frames, m motion, f features.
"""

import io
import json
import os
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

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
        part = root / "set.json.part"
        part.write_text(json.dumps(asdict(self), indent=2) + "\n")
        part.replace(root / "set.json")


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
        self._path = root / shard
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._part = self._path.with_name(self._path.name + ".part")
        self._archive = tarfile.open(self._part, "w")

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

    def close(self) -> None:
        """Put the rows, then the shard, in their places."""
        self._archive.close()
        rows = rows_path(self.root, self.shard)
        part = rows.with_name(rows.name + ".part")
        pd.DataFrame(self.rows).to_parquet(part, index=False)
        os.replace(part, rows)
        os.replace(self._part, self._path)


def rows_path(root: Path, shard: str) -> Path:
    """Where the index rows of one shard lie."""
    return (root / shard).with_suffix(".parquet")


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
    """Join the shards' rows to index.parquet and write the train split's stats.npz."""
    table = pd.concat([pd.read_parquet(rows_path(root, shard)) for shard in shards])
    part = root / "index.parquet.part"
    table.to_parquet(part, index=False)
    os.replace(part, root / "index.parquet")
    train = read_index(root, split="train")
    write_statistics(root, [read_motion_clip(root, row) for row in train.itertuples()])


def write_statistics(root: Path, clips: list[MotionClip]) -> None:
    """Mean and standard deviation of motion, audio, gaze and distance over valid frames."""
    streams = {
        "motion": [clip.motion[clip.labels.valid] for clip in clips],
        "audio": [clip.audio for clip in clips],
        "gaze": [clip.labels.gaze[clip.labels.valid] for clip in clips],
        "distance": [np.exp(-clip.labels.pose[clip.labels.valid, 5:]) for clip in clips],
    }
    if not sum(map(len, streams["motion"])):
        raise InputError("expected valid frames in the train split, found none to measure")
    values: dict[str, np.ndarray] = {}
    for name, parts in streams.items():
        count = sum(map(len, parts))
        mean = sum(part.sum(axis=0, dtype=np.float64) for part in parts) / count
        variance = sum(np.square(part - mean).sum(axis=0) for part in parts) / count
        values[f"{name}_mean"] = np.asarray(mean, np.float32)
        values[f"{name}_std"] = np.sqrt(np.asarray(variance)).astype(np.float32)
    part = root / "stats.part.npz"
    part.write_bytes(pack_arrays(values))
    os.replace(part, root / "stats.npz")


def read_statistics(root: str | Path | ShardRoot) -> dict[str, np.ndarray]:
    """What `write_statistics` wrote, by name."""
    content = open_shards(root).read_file("stats.npz")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)
