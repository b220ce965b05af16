"""Decoded clips of a shard set, kept in memory up to a budget.

Training draws single frames at random from many clips; at 64 px a whole clip costs less to keep
than to decode again. Of clips beyond the budget, what is asked for is decoded at each use. A clip
that cannot be read is counted, and another takes its place.
"""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd
import soundfile

from vasa.data.audio import decode_flac
from vasa.data.bad_clips import BadClipError, BadClips, Fault
from vasa.data.motion_shards import MOTION_HASH, MotionClip, parse_motion_clip
from vasa.data.mp4_frames import Mp4Frames
from vasa.data.remote import ShardRoot, open_shards
from vasa.data.schema import SAMPLES_PER_FRAME, FaceLabels
from vasa.data.shards import read_index, read_members, recorded_hash
from vasa.types import InputError

Clip = TypeVar("Clip")


class StoredClip:
    """A clip: its pictures, its sound, its labels and its speaker's number.

    What a clip that is not kept holds is decoded when it is asked for. Region maps, as large as the
    pictures and used by no training, are left out of the labels.

    Args:
        key: of the clip.
        speaker: number of its speaker.
        frames: uint8 `t h w 3`.
        audio: float32 `n`.
        labels: or the member that holds them.
    """

    def __init__(
        self,
        *,
        key: str,
        speaker: int,
        frames: np.ndarray | Mp4Frames,
        audio: "np.ndarray | FlacSamples",
        labels: FaceLabels | bytes,
    ) -> None:
        self.key = key
        self.speaker = speaker
        self.frames = frames
        self.audio = audio
        self._labels = labels

    @property
    def labels(self) -> FaceLabels:
        """Labels of every frame."""
        if isinstance(self._labels, bytes):
            self._labels = _read_labels(self._labels)
        return self._labels

    def check_length(self, num_frames: int) -> None:
        """ValueError where pictures, labels or sound have another number of frames."""
        lengths = (len(self.frames), len(self.labels.pose), len(self.audio) / SAMPLES_PER_FRAME)
        if lengths != (num_frames,) * 3:
            raise ValueError(f"pictures, labels, sound of {lengths} frames, not {num_frames}")


class FlacSamples:
    """The samples of a `flac` member, decoded as they are asked for: `samples[640:1280]`."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __len__(self) -> int:
        return soundfile.info(io.BytesIO(self._data)).frames

    def __getitem__(self, wanted: slice) -> np.ndarray:
        """Mono float32."""
        start, stop, _ = wanted.indices(len(self))
        return decode_flac(self._data, start=start, stop=stop)[:: wanted.step]


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
        frames, audio = Mp4Frames(members["mp4"]), FlacSamples(members["flac"])
        clip = {"key": row.key, "speaker": self._speaker_number[row.speaker]}
        # Bytes that are those that were written decode; of others only decoding tells.
        is_trusted = recorded_hash(row, self.hash_column) is not None
        is_kept = frames.nbytes + 4 * SAMPLES_PER_FRAME * len(frames) <= self._budget
        if is_trusted and not is_kept and len(frames) == row.frames:
            return StoredClip(**clip, frames=frames, audio=audio, labels=members["npz"])
        labels = _read_labels(members["npz"])
        whole = StoredClip(**clip, frames=frames[:], audio=audio[:], labels=labels)
        whole.check_length(row.frames)
        return whole

    def _num_bytes(self, clip: StoredClip) -> int:
        return clip.frames.nbytes + 4 * len(clip.audio)


def _read_labels(data: bytes) -> FaceLabels:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return FaceLabels(**{name: arrays[name] for name in arrays.files if name != "regions"})


class MotionStore(Store[MotionClip]):
    """Motion, audio features and labels of a motion-shard set."""

    hash_column = MOTION_HASH

    def _decode(self, row: Any, members: dict[str, bytes]) -> MotionClip:
        return parse_motion_clip(members, row)

    def _num_bytes(self, clip: MotionClip) -> int:
        return clip.motion.nbytes + clip.audio.nbytes
