"""Decoded clips of a shard set, kept in memory up to a budget.

Training draws single frames at random from many clips; at 64 px a whole clip costs less to keep
than to decode again. Of clips beyond the budget, what is asked for is decoded at each use. A clip
that cannot be read is counted, and another takes its place.
"""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd
import torch

from vasa.data.bad_clips import BadClipError, BadClips, decoding
from vasa.data.motion_shards import MOTION_HASH, MotionClip, parse_motion_clip
from vasa.data.mp4_frames import Mp4Frames, PictureTable
from vasa.data.remote import ShardRoot, open_shards
from vasa.data.schema import SAMPLES_PER_FRAME
from vasa.data.shard_members import Vouched, checked_members, recorded_hash
from vasa.data.shards import read_index
from vasa.data.stored_clip import FlacSamples, LazyPart, StoredClip
from vasa.types import InputError

_MOST_TABLES = 10_000
"""Of clips that are not kept, where their pictures are is known for so many: some 3 kB each."""

Clip = TypeVar("Clip")
Taken = TypeVar("Taken")


class Store(ABC, Generic[Clip]):
    """Random access to the decoded clips of one split.

    Args:
        root: shard set.
        split: train, val or test.
        cache_gb: memory for decoded clips.
        min_frames: shorter clips are left out.
        max_bad_share: clips that cannot be read, over all, at most.
        keep: which rows of the index are used; all by default.

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
        keep: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table,
    ) -> None:
        self.root = open_shards(root)
        table = read_index(self.root, split=split)
        self.longest = int(table["frames"].to_numpy().max())
        table = keep(pd.DataFrame(table[table["frames"] >= min_frames]))
        self.table = table.reset_index(drop=True)
        self.bad = BadClips(
            self.table, max_share=max_bad_share, what=f"split {split!r} of {self.root}"
        )
        self._rows = list(self.table.itertuples())
        self._cache: dict[int, Clip] = {}
        self._vouched = Vouched(len(self.table))
        self._budget = int(cache_gb * 2**30)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Clip:
        """The clip of a row, or the one in its place; the same object while it is kept.

        Raises:
            InputError: too many clips are bad.
        """
        return self.take(index, lambda clip: clip)

    def take(self, index: int, use: Callable[[Clip], Taken]) -> Taken:
        """What `use` makes of the clip of a row, or of the one in its place.

        Of a clip that is not kept, only what is used is decoded. Where that fails, the next one is
        used instead: whose turn it is follows from what is asked for, not from what was found out
        before, in this process or another.

        Raises:
            InputError: too many clips are bad.
        """
        for candidate in self.bad.candidates(index):
            if candidate not in self._cache and self.bad.is_lost(candidate):
                continue
            try:
                return use(self._clip(candidate))
            except BadClipError as error:
                self.bad.add(candidate, error)
        raise InputError(f"expected clips that can be read, got none: {self.bad.summary()} are bad")

    def _clip(self, index: int) -> Clip:
        if index in self._cache:
            return self._cache[index]
        row: Any = self._rows[index]
        members = checked_members(self.root, row, column=self.hash_column, vouched=self._vouched)
        with decoding(row.shard):
            return self._keep(index, self._decode(row, members))

    def _keep(self, index: int, clip: Clip) -> Clip:
        size = self._num_bytes(clip)
        if size <= self._budget:
            self._budget -= size
            self._cache[index] = clip
        return clip

    @abstractmethod
    def _decode(self, row: Any, members: Mapping[str, bytes]) -> Clip:
        """The clip of a row; raises whatever a damaged member makes a decoder raise."""

    @abstractmethod
    def _num_bytes(self, clip: Clip) -> int:
        """Memory that a clip takes."""


class ClipStore(Store[StoredClip]):
    """Pictures, sound and labels of a face-shard set.

    Attributes:
        speakers: names, sorted; a clip's speaker is the place in them.
        clips_of: rows of each speaker's clips.
        num_frames: of each clip.
    """

    def __init__(self, root: str | Path | ShardRoot, **settings: Any) -> None:
        super().__init__(root, **settings)
        self.speakers = sorted(self.table["speaker"].unique())
        self.num_frames = self.table["frames"].to_numpy()
        groups = self.table.groupby("speaker").indices
        self.clips_of = [groups[name] for name in self.speakers]
        self._tables: dict[int, PictureTable] = {}
        self._speaker_number = {name: number for number, name in enumerate(self.speakers)}

    def batch(
        self,
        num_people: int,
        rng: np.random.Generator,
        sample: Callable[[StoredClip], dict[str, np.ndarray]],
    ) -> dict[str, torch.Tensor]:
        """Samples of a clip of each of some people, all different where there are as many."""
        repeats = -(-num_people // len(self.speakers))
        people = np.concatenate([rng.permutation(len(self.speakers)) for _ in range(repeats)])
        samples = [
            self.take(int(rng.choice(self.clips_of[person])), sample)
            for person in people[:num_people]
        ]
        return {
            name: torch.from_numpy(np.stack([each[name] for each in samples]))
            for name in samples[0]
        }

    def _decode(self, row: Any, members: Mapping[str, bytes]) -> StoredClip:
        frames = Mp4Frames(members["mp4"], table=self._tables.get(row.Index))
        if frames.table is not None and len(self._tables) < _MOST_TABLES:
            self._tables[row.Index] = frames.table
        clip = StoredClip(
            key=row.key,
            speaker=self._speaker_number[row.speaker],
            where=row.shard,
            frames=LazyPart(frames, where=row.shard),
            audio=LazyPart(
                FlacSamples(
                    lambda: members["flac"], num_samples=int(row.frames) * SAMPLES_PER_FRAME
                ),
                where=row.shard,
            ),
            labels=lambda: members["npz"],
        )
        if len(clip.frames) != row.frames:
            raise ValueError(f"{len(clip.frames)} pictures, not {row.frames}")
        if recorded_hash(row, self.hash_column) is None:
            return clip.whole()  # of bytes that nobody vouches for, only decoding tells
        if clip.num_bytes() <= self._budget:
            # What memory is left must not say whether a clip is used: if it is bad in part, as
            # that of a clip that is not kept, that part tells.
            with contextlib.suppress(BadClipError):
                return clip.whole()
        return clip

    def _num_bytes(self, clip: StoredClip) -> int:
        return clip.num_bytes()


class MotionStore(Store[MotionClip]):
    """Motion, audio features and labels of a motion-shard set."""

    hash_column = MOTION_HASH

    def _decode(self, row: Any, members: Mapping[str, bytes]) -> MotionClip:
        return parse_motion_clip(members, row)

    def _num_bytes(self, clip: MotionClip) -> int:
        return clip.motion.nbytes + clip.audio.nbytes
