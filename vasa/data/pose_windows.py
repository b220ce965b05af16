"""Windows of head pose with their sound; pictures are never decoded. Shapes: t frames."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vasa.data.audio import decode_flac
from vasa.data.clip_store import ClipStore
from vasa.data.schema import SAMPLES_PER_FRAME
from vasa.data.shards import read_labels
from vasa.data.stored_clip import StoredClip

LEAST_VALID = 0.5
"""Share of a window's frames whose pose can be trusted, for it to be trained on or scored."""


class PoseStore(ClipStore):
    """Clips whose `frames` hold no pixels, `t 0 0 3`: labels and sound are all that is read."""

    def _decode(self, row: Any, members: dict[str, bytes]) -> StoredClip:
        labels = read_labels(members["npz"])
        audio = decode_flac(members["flac"])
        lengths = (len(labels.pose), len(audio) / SAMPLES_PER_FRAME)
        if lengths != (row.frames,) * 2:
            raise ValueError(f"labels, sound of {lengths} frames, not {row.frames}")
        return StoredClip(
            key=row.key,
            speaker=self._speaker_number[row.speaker],
            where=row.shard,
            frames=np.empty((row.frames, 0, 0, 3), np.uint8),
            audio=audio,
            labels=replace(labels, regions=None),
        )


@dataclass(frozen=True, kw_only=True)
class Window:
    """Poses `t 6`, whether each can be trusted `t`, and the same frames' sound `640t`."""

    pose: np.ndarray
    valid: np.ndarray
    audio: np.ndarray


def window_of(clip: StoredClip, *, start: int, num_frames: int) -> Window:
    """The window of a clip that begins at a frame."""
    end = start + num_frames
    return Window(
        pose=clip.labels.pose[start:end].astype(np.float32),
        valid=clip.labels.valid[start:end],
        audio=clip.audio[start * SAMPLES_PER_FRAME : end * SAMPLES_PER_FRAME].astype(np.float32),
    )


def stack_windows(windows: Sequence[Window]) -> dict[str, Tensor]:
    """Windows of one length as a batch."""
    return {
        item.name: torch.from_numpy(np.stack([getattr(window, item.name) for window in windows]))
        for item in fields(Window)
    }
