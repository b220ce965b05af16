"""One clip of a face-shard set, whole or decoded as it is asked for."""

import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import soundfile

from vasa.data.audio import decode_flac
from vasa.data.bad_clips import decoding
from vasa.data.mp4_frames import Mp4Frames
from vasa.data.schema import FaceLabels


class FlacSamples:
    """The samples of a `flac` member, decoded as they are asked for: `samples[640:1280]`.

    Args:
        member: gives its bytes, when they are needed.
        num_samples: that it must hold.

    Attributes:
        shape: `n`.
    """

    def __init__(self, member: Callable[[], bytes], *, num_samples: int) -> None:
        self._member = member
        self.shape = (num_samples,)

    def __getitem__(self, wanted: slice) -> np.ndarray:
        """Mono float32.

        Raises:
            ValueError: the member holds another number of samples.
        """
        data = self._member()
        found = soundfile.info(io.BytesIO(data)).frames
        if found != self.shape[0]:
            raise ValueError(f"sound of {found} samples, not {self.shape[0]}")
        start, stop, _ = wanted.indices(found)
        return decode_flac(data, start=start, stop=stop)[:: wanted.step]


class LazyPart:
    """Pictures or sound of a clip, decoded as they are asked for: `part[3:9]`.

    Args:
        decoder: of the member.
        where: the shard, for messages.

    Attributes:
        shape: as that of the decoded array.
    """

    def __init__(self, decoder: Mp4Frames | FlacSamples, *, where: str) -> None:
        self.shape = decoder.shape
        self._decoder = decoder
        self._where = where

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, wanted: Any) -> np.ndarray:
        """What is asked for.

        Raises:
            BadClipError: it does not decode.
        """
        with decoding(self._where):
            return self._decoder[wanted]


class StoredClip:
    """A clip: its pictures, its sound, its labels and its speaker's number.

    What a clip that is not kept holds is decoded when it is asked for, and a `BadClipError` where
    it does not decode. Region maps, as large as the pictures and used by no training, are left out
    of the labels.

    Args:
        key: of the clip.
        speaker: number of its speaker.
        where: its shard, for messages.
        frames: uint8 `t h w 3`.
        audio: float32 `n`.
        labels: or what gives the member that holds them.
    """

    def __init__(
        self,
        *,
        key: str,
        speaker: int,
        where: str,
        frames: np.ndarray | LazyPart,
        audio: np.ndarray | LazyPart,
        labels: FaceLabels | Callable[[], bytes],
    ) -> None:
        self.key = key
        self.speaker = speaker
        self.where = where
        self.frames = frames
        self.audio = audio
        self._labels = labels

    @property
    def labels(self) -> FaceLabels:
        """Labels of every frame."""
        if not isinstance(self._labels, FaceLabels):
            with decoding(self.where):
                labels = _read_labels(self._labels())
                if len(labels.pose) != len(self.frames):
                    raise ValueError(f"labels of {len(labels.pose)} frames, not {len(self.frames)}")
            self._labels = labels
        return self._labels

    def num_bytes(self) -> int:
        """Memory of pictures and sound, decoded."""
        return math.prod(self.frames.shape) + 4 * len(self.audio)

    def whole(self) -> "StoredClip":
        """The same with all of it decoded.

        Raises:
            BadClipError: some does not decode.
        """
        return StoredClip(
            key=self.key,
            speaker=self.speaker,
            where=self.where,
            frames=self.frames[:],
            audio=self.audio[:],
            labels=self.labels,
        )


def _read_labels(data: bytes) -> FaceLabels:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return FaceLabels(**{name: arrays[name] for name in arrays.files if name != "regions"})
