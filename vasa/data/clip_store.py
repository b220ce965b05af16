"""Decoded clips of a face-shard set, kept in memory up to a budget.

Training draws single frames at random from many clips; at 64 px a whole clip costs less to keep
than to decode again. Clips beyond the budget are decoded at each use.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vasa.data.audio import decode_flac
from vasa.data.schema import FaceLabels
from vasa.data.shards import read_index, read_labels, read_members
from vasa.data.video import decode_mp4


@dataclass(frozen=True, kw_only=True)
class StoredClip:
    """A decoded clip: frames uint8 `t h w 3`, audio `n`, labels, and its speaker's number."""

    key: str
    speaker: int
    frames: np.ndarray
    audio: np.ndarray
    labels: FaceLabels


class ClipStore:
    """Random access to the decoded clips of one split.

    Args:
        root: face-shard set.
        split: train, val or test.
        cache_gb: memory for decoded clips.
        min_frames: shorter clips are left out.
    """

    def __init__(self, root: Path, *, split: str, cache_gb: float, min_frames: int = 1) -> None:
        self.root = Path(root)
        table = read_index(self.root, split=split)
        self.table = table[table["frames"] >= min_frames].reset_index(drop=True)
        self.speakers = sorted(self.table["speaker"].unique())
        self.num_frames = self.table["frames"].to_numpy()
        self._speaker_number = {name: number for number, name in enumerate(self.speakers)}
        self._rows = list(self.table.itertuples())
        self._cache: dict[int, StoredClip] = {}
        self._budget = int(cache_gb * 2**30)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> StoredClip:
        """The decoded clip of a row; the same object while it is kept."""
        if index in self._cache:
            return self._cache[index]
        clip = self._read(index)
        size = clip.frames.nbytes + clip.audio.nbytes
        if size <= self._budget:
            self._budget -= size
            self._cache[index] = clip
        return clip

    def _read(self, index: int) -> StoredClip:
        row = self._rows[index]
        members = read_members(self.root, row)
        return StoredClip(
            key=json.loads(members["json"])["key"],
            speaker=self._speaker_number[row.speaker],
            frames=decode_mp4(members["mp4"]),
            audio=decode_flac(members["flac"]),
            labels=read_labels(members["npz"]),
        )
