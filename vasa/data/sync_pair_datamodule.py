"""Pairs of lips and sound that belong together or do not, for the published SyncNet's loss."""

from typing import Any

import numpy as np

from vasa.data.schema import SAMPLES_PER_FRAME
from vasa.data.stored_clip import StoredClip
from vasa.data.sync_datamodule import SyncDataModule
from vasa.types import InputError


class SyncPairDataModule(SyncDataModule):
    """Batches of spans, half of them with the sound of another moment of the same clip.

    Chung and Zisserman 2016: genuine pairs are cut from the video as they are; for false ones the
    sound alone is shifted, by up to 2 s. Of the same clip, so that only timing tells them apart.

    A batch: as `SyncDataModule`, and `is_match` bool `b`.

    Args:
        min_frames: shorter clips are left out; more than a span.
        max_shift_frames: of a false pair's sound, either way, 1 frame at least.
        clips: as `SyncDataModule`.
    """

    def __init__(self, *, min_frames: int, max_shift_frames: int, **clips: Any) -> None:
        super().__init__(**clips)
        if min_frames <= self.span_frames or max_shift_frames < 1:
            raise InputError(
                f"expected data.min_frames above data.span_frames ({self.span_frames}), so that "
                f"sound can be shifted, and data.max_shift_frames of 1 or more, got {min_frames} "
                f"and {max_shift_frames}"
            )
        self.min_frames = min_frames
        self.max_shift_frames = max_shift_frames

    def _span(self, rng: np.random.Generator, clip: StoredClip) -> dict[str, np.ndarray]:
        last = len(clip.frames) - self.span_frames
        start = int(rng.integers(last + 1))
        low = max(-self.max_shift_frames, -start)
        high = min(self.max_shift_frames, last - start)
        is_match = bool(rng.random() < 0.5)
        shift = int(rng.integers(low, high))  # one of high - low values: 0 is left out
        shift = 0 if is_match else shift + (shift >= 0)
        sound = slice(start + shift, start + shift + self.span_frames)
        audio = clip.audio[sound.start * SAMPLES_PER_FRAME : sound.stop * SAMPLES_PER_FRAME]
        return {
            "frames": clip.frames[start : start + self.span_frames].transpose(0, 3, 1, 2),
            "audio": audio.astype(np.float32),
            "is_match": np.array(is_match),
        }
