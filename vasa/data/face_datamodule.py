"""Pairs of frames of one video, for stage 1 and for the face experts.

A batch holds `b` people, each by `n` frames of one clip (source, driver, ...); another person's
frames for the cross-identity term are the neighbours in the batch, which `distinct_speakers`
keeps different from oneself.
"""

from typing import Any

import numpy as np

from vasa.data.clip_datamodule import ClipDataModule
from vasa.data.clip_store import ClipStore
from vasa.data.order import RowShare, step_rng
from vasa.data.schema import FaceLabels
from vasa.data.step_datamodule import Batch
from vasa.data.stored_clip import StoredClip
from vasa.types import InputError

_FRAME_LABELS = ("landmarks", "pose", "mouth", "gaze", "blink", "emotion", "valid")


class FaceDataModule(ClipDataModule):
    """Batches of `n` frames of each of `b` people.

    A batch: `image` uint8 `b n 3 h w`; `landmarks` `b n 68 2` in half pictures, [-1, 1];
    `pose` `b n 6`; `mouth` `b n 2`; `gaze` `b n 2`; `blink` `b n`; `valid` `b n`; `speaker` `b`.

    Args:
        batch_size: people in a batch; all different where the set has that many.
        first_batch_size: people in a batch of the first steps; None: as later.
        first_steps: how many those are.
        frames_per_clip: frames of each person's clip; they are different frames.
        eventful_share: share of the drawings in which the last frame, the driver, is drawn in
            proportion to how open mouth and how shut eyes are; most frames show neither.
        min_distance: frames that two frames of a clip are apart at least, where it is long enough.
        clips: as `ClipDataModule`.
    """

    frames_in = "image"

    def __init__(
        self,
        *,
        frames_per_clip: int,
        min_distance: int,
        eventful_share: float = 0.0,
        first_batch_size: int | None = None,
        first_steps: int = 0,
        **clips: Any,
    ) -> None:
        super().__init__(**clips)
        self.frames_per_clip = frames_per_clip
        self.min_distance = min_distance
        self.eventful_share = eventful_share
        self.first_batch_size = first_batch_size or self.batch_size
        self.first_steps = first_steps
        self._store: ClipStore | None = None

    def share_out(self, share: RowShare) -> None:
        """As the base class; the first steps' batches have to go evenly too."""
        share.check(self.first_batch_size)
        super().share_out(share)

    def open_store(self) -> ClipStore:
        """The decoded clips."""
        return self.store

    @property
    def store(self) -> ClipStore:
        """The decoded clips, opened at first use."""
        if self._store is None:
            self._store = ClipStore(
                self.root,
                split=self.split,
                cache_gb=self.cache_gb,
                min_frames=self.frames_per_clip,
                max_bad_share=self.max_bad_share,
            )
            if len(self._store.speakers) < 2:
                raise InputError(
                    f"expected two speakers or more in split {self.split!r} of {self.root}, "
                    f"got {len(self._store.speakers)}; the cross-identity term needs another person"
                )
        return self._store

    def clip_to_show(self) -> StoredClip:
        """The first of the split."""
        return self.store[0]

    @property
    def num_speakers(self) -> int:
        """People in the split."""
        return len(self.store.speakers)

    def batch_at(self, step: int) -> Batch:
        """The batch of a step: a function of (seed, step) alone."""
        rng = step_rng(self.seed, step, "face-batch")
        num_people = self.first_batch_size if step < self.first_steps else self.batch_size
        return self.store.batch(num_people, rng, lambda clip: self._sample(rng, clip))

    def _sample(self, rng: np.random.Generator, clip: StoredClip) -> dict[str, np.ndarray]:
        """Frames of one clip with their labels."""
        chosen = self._choose_frames(rng, clip.labels)
        labels = {name: getattr(clip.labels, name)[chosen] for name in _FRAME_LABELS}
        image = clip.frames[chosen].transpose(0, 3, 1, 2)
        labels["landmarks"] = labels["landmarks"] * (2 / image.shape[-1]) - 1
        return {"image": image, "speaker": np.array(clip.speaker), **labels}

    def _choose_frames(self, rng: np.random.Generator, labels: FaceLabels) -> np.ndarray:
        """Frames of a clip, `min_distance` apart where the clip is long enough for it."""
        num_frames, count = len(labels.pose), self.frames_per_clip
        apart = min(self.min_distance, (num_frames - 1) // max(1, count - 1))
        slack = num_frames - apart * (count - 1)
        chosen = rng.permutation(
            np.sort(rng.integers(slack, size=count)) + apart * np.arange(count)
        )
        if self.eventful_share and rng.random() < self.eventful_share:
            events = labels.mouth[:, 0].clip(0) + 0.2 * labels.blink.clip(0) + 1e-3
            driver = int(rng.choice(num_frames, p=events / events.sum()))
            far = np.flatnonzero(np.abs(np.arange(num_frames) - driver) >= apart)
            if len(far) >= count - 1:
                chosen = np.append(rng.choice(far, size=count - 1, replace=False), driver)
        return chosen
