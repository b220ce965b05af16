"""Windows of head pose with their sound, for CAPP."""

from typing import Any

import numpy as np

from vasa.data.order import step_rng
from vasa.data.pose_windows import LEAST_VALID, PoseStore, Window, stack_windows, window_of
from vasa.data.step_datamodule import Batch
from vasa.data.sync_datamodule import SyncDataModule
from vasa.types import InputError


class CappDataModule(SyncDataModule):
    """Batches of `b` windows of `t` frames, a few of each clip at other times.

    A batch: `pose` float32 `b t 6`; `valid` `b t` (poses that can be trusted); `audio` float32
    `b 640t`; the two start together. Windows of one clip are negatives of one another that neither
    voice nor habit tells apart, but timing alone.

    Args:
        windows_per_clip: of a clip in a batch, fewer where it is too short for so many.
        min_gap_frames: between the starts of a clip's windows, at least.
        spans: as `SyncDataModule`; `span_frames` is t, `batch_size` counts windows.
    """

    frames_in = "pose"

    store_class = PoseStore

    def __init__(self, *, windows_per_clip: int, min_gap_frames: int, **spans: Any) -> None:
        super().__init__(**spans)
        self.windows_per_clip = windows_per_clip
        self.min_gap_frames = min_gap_frames

    def batch_at(self, step: int) -> Batch:
        """The batch of a step: a function of (seed, step) alone.

        Raises:
            InputError: the clips of the split, all together, are too few for one batch.
        """
        rng = step_rng(self.seed, step, "capp-batch")
        windows: list[Window] = []
        for index in rng.permutation(len(self.store)):
            clip = self.store[int(index)]
            left = min(self.windows_per_clip, self.batch_size - len(windows))
            for start in self._starts(rng, clip.labels.valid)[:left]:
                windows.append(window_of(clip, start=start, num_frames=self.span_frames))
            if len(windows) == self.batch_size:
                return stack_windows(windows)
        raise InputError(
            f"expected clips for {self.batch_size} windows in split {self.split!r} of {self.root}, "
            f"got {len(windows)} of {len(self.store)} clips; lower data.batch_size"
        )

    def _starts(self, rng: np.random.Generator, valid: np.ndarray) -> list[int]:
        """Starts of windows in random order, any two `min_gap_frames` apart."""
        last = len(valid) - self.span_frames
        first = int(rng.integers(min(self.min_gap_frames, last + 1)))
        starts = rng.permutation(np.arange(first, last + 1, self.min_gap_frames)).tolist()
        return [s for s in starts if valid[s : s + self.span_frames].mean() >= LEAST_VALID]
