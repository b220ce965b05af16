"""Spans of clips with their sound, for SyncNet."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from vasa.data.clip_datamodule import ClipDataModule
from vasa.data.clip_store import ClipStore
from vasa.data.order import step_rng
from vasa.data.schema import SAMPLES_PER_FRAME
from vasa.data.step_datamodule import Batch
from vasa.data.stored_clip import StoredClip
from vasa.data.sync_filter import SyncFilter
from vasa.types import InputError


class SyncDataModule(ClipDataModule):
    """Batches of `b` spans of `t` frames, of different people where the set has as many.

    A batch: `frames` uint8 `b t 3 h w`; `audio` float32 `b 640t`; the two start together.

    Args:
        batch_size: clips in a batch.
        span_frames: consecutive frames of each; shorter clips are left out.
        held_out_split: the split to measure on; null for none.
        held_out_clips: clips of it, at most.
        max_abs_offset: clips whose sound preparation found further off, frames, are left out, in
            both splits; None leaves none out.
        min_confidence: the same of those of which it was less sure, by its SyncNet's S_C.
        clips: as `ClipDataModule`.
    """

    frames_in = "frames"

    store_class: type[ClipStore] = ClipStore

    def __init__(
        self,
        *,
        span_frames: int,
        held_out_split: str | None,
        held_out_clips: int,
        max_abs_offset: int | None = None,
        min_confidence: float | None = None,
        **clips: Any,
    ) -> None:
        super().__init__(**clips)
        self.span_frames = span_frames
        self.held_out_split = held_out_split
        self.held_out_clips = held_out_clips
        self.min_frames = span_frames
        self.filter = SyncFilter(max_abs_offset=max_abs_offset, min_confidence=min_confidence)
        self._store: ClipStore | None = None

    def open_store(self) -> ClipStore:
        """The decoded clips."""
        return self.store

    @property
    def store(self) -> ClipStore:
        """The decoded clips, opened at first use."""
        if self._store is None:
            self._store = self._open(self.split)
            if len(self._store) == 0:
                raise InputError(
                    f"expected clips of at least {self.min_frames} frames in split "
                    f"{self.split!r} of {self.root}, found none; lower data.span_frames"
                )
        return self._store

    def batch_at(self, step: int) -> Batch:
        """The batch of a step: a function of (seed, step) alone."""
        rng = step_rng(self.seed, step, "sync-batch")
        return self.store.batch(self.batch_size, rng, lambda clip: self._span(rng, clip))

    def _span(self, rng: np.random.Generator, clip: StoredClip) -> dict[str, np.ndarray]:
        start = int(rng.integers(len(clip.frames) - self.span_frames + 1))
        end = start + self.span_frames
        audio = clip.audio[start * SAMPLES_PER_FRAME : end * SAMPLES_PER_FRAME]
        return {
            "frames": clip.frames[start:end].transpose(0, 3, 1, 2),
            "audio": audio.astype(np.float32),
        }

    def held_out(self) -> Iterator[StoredClip]:
        """Whole clips of held-out people, spread over the split; the same at every call."""
        if self.held_out_split is None:
            return
        store = self._open(self.held_out_split)
        count = min(self.held_out_clips, len(store))
        for index in np.linspace(0, len(store) - 1, count).round().astype(int):
            yield store.take(int(index), StoredClip.whole)

    def _open(self, split: str) -> ClipStore:
        return self.store_class(
            self.root,
            split=split,
            cache_gb=self.cache_gb,
            min_frames=self.min_frames,
            max_bad_share=self.max_bad_share,
            keep=partial(self.filter, what=f"split {split!r} of {self.root}"),
        )
