"""Face shards on disk: tar files that WebDataset reads, and their random-access index.

`<root>/<split>/000000.tar` holds a clip as four members (mp4, flac, npz, json) in a row;
`index.parquet` knows each clip's place, so that a training order can be any function of
(seed, step) without reading a tar from its start.
"""

import hashlib
import io
import json
import math
import os
import re
import tarfile
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

from vasa.data.audio import decode_flac, encode_flac
from vasa.data.remote import ShardRoot, open_shards
from vasa.data.schema import FPS, FaceClip, FaceLabels
from vasa.data.shard_members import (
    Place,
    content_hash,
    member_digest,
    places_text,
    read_members,
)
from vasa.data.video import decode_mp4, encode_mp4
from vasa.types import InputError


def safe_key(key: str) -> str:
    """A clip key as a tar member name: letters, digits, `-` and `_`, and the key's own hash.

    WebDataset splits names at the first dot and takes neighbours of one name for one sample, so
    that two keys must not become the same name.
    """
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", key.replace("/", "-"))[:80]
    return f"{plain}-{hashlib.sha256(key.encode(errors='surrogateescape')).hexdigest()[:8]}"


def pack_arrays(arrays: dict[str, np.ndarray]) -> bytes:
    """Arrays as a compressed `npz` file; unlike `np.savez`, which writes the time into it, the same
    arrays give the same bytes.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")  # its time is 1980
            member.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(member, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
    return buffer.getvalue()


def _replace_text(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.replace(path)


@dataclass(frozen=True, kw_only=True)
class EncodedClip:
    """A clip as its shard holds it, and its row of the index.

    Attributes:
        members: bytes by suffix: mp4, flac, npz, json.
        row: key, split, speaker, source, licence, frames, height, sentence_id, sha256, and a
            column for each of the clip's measures.
    """

    members: dict[str, bytes]
    row: dict[str, Any]


def encode_clip(clip: FaceClip, *, prep_version: str, crf: int = 12) -> EncodedClip:
    """The members of a clip; the same clip gives the same bytes.

    Args:
        clip: what is stored.
        prep_version: recorded with it.
        crf: quality of the stored video (x264's constant rate factor).
    """
    details = {
        "key": clip.key,
        "speaker": clip.speaker,
        "source": clip.source,
        "licence": clip.licence,
        "split": clip.split,
        "frames": len(clip.frames),
        "prep_version": prep_version,
        **clip.extra,
    }
    members = {
        "mp4": encode_mp4(clip.frames, crf=crf),
        "flac": encode_flac(clip.audio),
        "npz": pack_arrays(clip.labels.to_arrays()),
        "json": json.dumps(details).encode(),
    }
    row = {
        "key": clip.key,
        "split": clip.split,
        "speaker": clip.speaker,
        "source": clip.source,
        "licence": clip.licence,
        "frames": len(clip.frames),
        "height": clip.frames.shape[1],
        "sentence_id": int(clip.extra.get("sentence_id", -1)),
        "sha256": content_hash(members),
        **clip.extra.get("measures", {}),
    }
    return EncodedClip(members=members, row=row)


class FaceShardWriter:
    """Writes clips to tar shards; index, statistics and drop table come at the end.

    Shards are written aside and renamed when full, so that a shard that exists is whole.

    Args:
        root: folder of the set.
        clips_per_shard: most clips in one tar.
        prep_version: recorded with every clip.
        max_bytes: a tar that has grown to this size is finished too.
    """

    def __init__(
        self,
        root: Path,
        *,
        clips_per_shard: int,
        prep_version: str,
        max_bytes: float = math.inf,
    ) -> None:
        self.root = Path(root)
        self.clips_per_shard = clips_per_shard
        self.max_bytes = max_bytes
        self.prep_version = prep_version
        self._open: dict[str, tuple[tarfile.TarFile, Path, int]] = {}
        self._num_shards: Counter[str] = Counter()
        self._rows: list[dict[str, Any]] = []
        self._dropped: list[dict[str, str]] = []
        self._split_of: dict[str, str] = {}

    def __enter__(self) -> "FaceShardWriter":
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
            for archive, path, _ in self._open.values():
                archive.close()
                path.with_name(path.name + ".part").unlink(missing_ok=True)

    def write(self, clip: FaceClip) -> None:
        """Encode one clip and append it to its split's shard."""
        self.append(encode_clip(clip, prep_version=self.prep_version))

    def append(self, clip: EncodedClip) -> None:
        """Append one encoded clip to its split's shard.

        Raises:
            InputError: its speaker was written to another split.
        """
        speaker, split = clip.row["speaker"], clip.row["split"]
        known = self._split_of.setdefault(speaker, split)
        if known != split:
            raise InputError(f"expected speaker {speaker} in one split, got {known} and {split}")
        archive, path, count = self._shard(split)
        start = archive.offset
        places: dict[str, Place] = {}
        for suffix, data in clip.members.items():
            member = tarfile.TarInfo(f"{safe_key(clip.row['key'])}.{suffix}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
            padded = -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            places[suffix] = Place(
                start=archive.offset - padded - start, size=len(data), digest=member_digest(data)
            )
        place = {
            "members": places_text(places),
            "shard": str(path.relative_to(self.root)),
            "offset": start,
            "size": archive.offset - start,
        }
        self._rows.append({**clip.row, **place})
        if count + 1 == self.clips_per_shard or archive.offset >= self.max_bytes:
            self._finish(split)
        else:
            self._open[split] = (archive, path, count + 1)

    def drop(self, *, key: str, reason: str, detail: str = "") -> None:
        """Record a clip or span that is left out."""
        self._dropped.append({"key": key, "reason": reason, "detail": detail})

    def close(self) -> None:
        """Finish open shards and write index.parquet, stats.json and dropped.parquet."""
        for split in list(self._open):
            self._finish(split)
        self.root.mkdir(parents=True, exist_ok=True)
        self._write_table("index.parquet", self._rows, ["key", "split", "speaker", "frames"])
        self._write_table("dropped.parquet", self._dropped, ["key", "reason", "detail"])
        _replace_text(self.root / "stats.json", json.dumps(self._stats(), indent=2))

    def _shard(self, split: str) -> tuple[tarfile.TarFile, Path, int]:
        if split not in self._open:
            path = self.root / split / f"{self._num_shards[split]:06d}.tar"
            path.parent.mkdir(parents=True, exist_ok=True)
            archive = tarfile.open(path.with_name(path.name + ".part"), "w")
            self._num_shards[split] += 1
            self._open[split] = (archive, path, 0)
        return self._open[split]

    def _finish(self, split: str) -> None:
        archive, path, _ = self._open.pop(split)
        archive.close()
        path.with_name(path.name + ".part").replace(path)

    def _write_table(self, name: str, rows: list[dict[str, Any]], columns: list[str]) -> None:
        table = pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)
        part = self.root / (name + ".part")
        table.to_parquet(part, index=False)
        os.replace(part, self.root / name)

    def _stats(self) -> dict[str, Any]:
        splits = sorted({row["split"] for row in self._rows})
        return {
            "prep_version": self.prep_version,
            "splits": {
                split: {
                    "clips": sum(row["split"] == split for row in self._rows),
                    "speakers": len({r["speaker"] for r in self._rows if r["split"] == split}),
                    "hours": sum(r["frames"] for r in self._rows if r["split"] == split)
                    / FPS
                    / 3600,
                }
                for split in splits
            },
            "dropped": dict(Counter(row["reason"] for row in self._dropped)),
        }


def read_index(root: str | Path | ShardRoot, *, split: str | None = None) -> pd.DataFrame:
    """The clips of a face-shard set, a row each, in a fixed order.

    Raises:
        InputError: no set at `root`, or no clip of that split in it.
    """
    root = open_shards(root)
    content = _index_bytes(root)
    table = pd.read_parquet(io.BytesIO(content))
    if split is not None:
        table = pd.DataFrame(table[table["split"] == split]).reset_index(drop=True)
        if table.empty:
            raise InputError(
                f"expected clips of split {split!r} in {root}/index.parquet, found none"
            )
    return table


def index_hash(root: str | Path | ShardRoot) -> str:
    """SHA-256 of a set's index, by which an output knows what it was made from.

    Raises:
        InputError: no set at `root`.
    """
    return hashlib.sha256(_index_bytes(open_shards(root))).hexdigest()


def _index_bytes(root: ShardRoot) -> bytes:
    try:
        return root.read_file("index.parquet")
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"expected face shards with an index.parquet at {root}, found none; "
            "make them with `vasa synth` or `vasa prep`"
        ) from None


def read_labels(data: bytes) -> FaceLabels:
    """Labels of a shard's `npz` member."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return FaceLabels(**dict(arrays))


def read_clip(root: str | Path | ShardRoot, row: Any) -> FaceClip:
    """Read and decode the clip of an index row, one of `read_index(...).itertuples()`."""
    return parse_clip(read_members(root, row))


def parse_clip(members: Mapping[str, bytes]) -> FaceClip:
    """Decode a clip's members.

    Raises:
        ValueError: pictures, sound and labels of different lengths, or labels of wrong shapes.
    """
    details = json.loads(members["json"])
    known = {"key", "speaker", "source", "licence", "split", "frames"}
    return FaceClip(
        key=details["key"],
        speaker=details["speaker"],
        split=details["split"],
        source=details["source"],
        licence=details["licence"],
        frames=decode_mp4(members["mp4"]),
        audio=decode_flac(members["flac"]),
        labels=read_labels(members["npz"]),
        extra={name: value for name, value in details.items() if name not in known},
    )
