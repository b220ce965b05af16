"""Decoded clips of a shard set, kept in memory up to a budget.

Training draws single frames at random from many clips; at 64 px a whole clip costs less to keep
than to decode again. Clips beyond the budget are decoded at each use. A clip that cannot be read is
counted, and another takes its place.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd

from vasa.data.audio import decode_flac
from vasa.data.bad_clips import BadClipError, BadClips, Fault
from vasa.data.motion_shards import MOTION_HASH, MotionClip, parse_motion_clip
from vasa.data.remote import ShardRoot, open_shards
from vasa.data.schema import SAMPLES_PER_FRAME, FaceLabels
from vasa.data.shards import read_index, read_labels, read_members, recorded_hash
from vasa.data.video import decode_mp4
from vasa.types import InputError

Clip = TypeVar("Clip")


@dataclass(frozen=True, kw_only=True)
class StoredClip:
    """A decoded clip: frames uint8 `t h w 3`, audio `n`, labels, and its speaker's number."""

    key: str
    speaker: int
    frames: np.ndarray
    audio: np.ndarray
    labels: FaceLabels


class Store(ABC, Generic[Clip]):
    """Random access to the decoded clips of one split.

    Args:
        root: shard set.
        split: train, val or test.
        cache_gb: memory for decoded clips.
        min_frames: shorter clips are left out.
        max_bad_share: clips that cannot be read, over all, at most.

    Attributes:
        table: rows of the index, in its order.
        longest: frames of the longest clip of the split.
        bad: clips of the table that were found bad.
    """

    hash_column = "sha256"

    def __init__(
        self,
        root: str | Path | ShardRoot,
        *,
        split: str,
        cache_gb: float,
        min_frames: int = 1,
        max_bad_share: float = 0.0,
    ) -> None:
        self.root = open_shards(root)
        table = read_index(self.root, split=split)
        self.longest = int(table["frames"].to_numpy().max())
        self.table = pd.DataFrame(table[table["frames"] >= min_frames]).reset_index(drop=True)
        self.bad = BadClips(
            self.table, max_share=max_bad_share, what=f"split {split!r} of {self.root}"
        )
        self._rows = list(self.table.itertuples())
        self._cache: dict[int, Clip] = {}
        self._budget = int(cache_gb * 2**30)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Clip:
        """The decoded clip of a row, or the one in its place; the same object while it is kept.

        Raises:
            InputError: too many clips are bad.
        """
        for candidate in self.bad.candidates(index):
            if candidate in self._cache:
                return self._cache[candidate]
            if candidate in self.bad:
                continue
            try:
                return self._keep(candidate, self._read(self._rows[candidate]))
            except BadClipError as error:
                self.bad.add(candidate, error)
        raise InputError(f"expected clips that can be read, got none: {self.bad.summary()} are bad")

    def _read(self, row: Any) -> Clip:
        members = read_members(self.root, row, sha256=recorded_hash(row, self.hash_column))
        return _decoded(lambda: self._decode(row, members), where=row.shard)

    def _keep(self, index: int, clip: Clip) -> Clip:
        size = self._num_bytes(clip)
        if size <= self._budget:
            self._budget -= size
            self._cache[index] = clip
        return clip

    @abstractmethod
    def _decode(self, row: Any, members: dict[str, bytes]) -> Clip:
        """The clip of a row; raises whatever a damaged member makes a decoder raise."""

    @abstractmethod
    def _num_bytes(self, clip: Clip) -> int:
        """Memory that a clip takes."""


def _decoded(decode: Callable[[], Clip], *, where: str) -> Clip:
    try:
        return decode()
    except MemoryError:
        raise
    except Exception as error:  # whatever a decoder makes of damaged bytes
        detail = f"{where} holds a clip that does not decode ({type(error).__name__}: {error})"
        raise BadClipError(Fault.UNDECODABLE, " ".join(detail.split())[:300]) from error


class ClipStore(Store[StoredClip]):
    """Pictures, sound and labels of a face-shard set.

    Attributes:
        speakers: names, sorted; a clip's speaker is the place in them.
        num_frames: of each clip.
    """

    def __init__(self, root: str | Path | ShardRoot, **settings: Any) -> None:
        super().__init__(root, **settings)
        self.speakers = sorted(self.table["speaker"].unique())
        self.num_frames = self.table["frames"].to_numpy()
        self._speaker_number = {name: number for number, name in enumerate(self.speakers)}

    def _decode(self, row: Any, members: dict[str, bytes]) -> StoredClip:
        clip = StoredClip(
            key=json.loads(members["json"])["key"],
            speaker=self._speaker_number[row.speaker],
            frames=decode_mp4(members["mp4"]),
            audio=decode_flac(members["flac"]),
            labels=read_labels(members["npz"]),
        )
        lengths = (len(clip.frames), len(clip.labels.pose), len(clip.audio) / SAMPLES_PER_FRAME)
        if lengths != (row.frames,) * 3:
            raise ValueError(f"pictures, labels, sound of {lengths} frames, not {row.frames}")
        return clip

    def _num_bytes(self, clip: StoredClip) -> int:
        return clip.frames.nbytes + clip.audio.nbytes


class MotionStore(Store[MotionClip]):
    """Motion, audio features and labels of a motion-shard set."""

    hash_column = MOTION_HASH

    def _decode(self, row: Any, members: dict[str, bytes]) -> MotionClip:
        return parse_motion_clip(members, row)

    def _num_bytes(self, clip: MotionClip) -> int:
        return clip.motion.nbytes + clip.audio.nbytes
