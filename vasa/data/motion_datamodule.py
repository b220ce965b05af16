"""Windows of motion and audio for stage 2.

Shapes: b batch, w frames of the window, k previous frames, m motion, f audio features.
"""

from typing import Any

import numpy as np
import torch

from vasa.data.clip_datamodule import ClipDataModule
from vasa.data.clip_store import MotionStore
from vasa.data.controls import head_distance, main_gaze, mean_emotion
from vasa.data.motion_faces import face_of
from vasa.data.motion_shards import MotionClip, MotionSetInfo, read_statistics
from vasa.data.order import step_rng
from vasa.data.shards import read_index
from vasa.data.step_datamodule import Batch
from vasa.data.stored_clip import StoredClip
from vasa.types import InputError


class MotionDataModule(ClipDataModule):
    """Batches of windows with the frames before them.

    A batch: `motion` `b w m`, `audio` `b w f`, `frame_mask` `b w` (the rest is padding),
    `loss_mask` `b w` (frames whose labels can be trusted), `motion_pre` `b k m`, `audio_pre`
    `b k f`, `pre_mask` `b k` (frames that exist and whose labels can be trusted), `gaze` `b 2`,
    `distance` `b 1`, `emotion` `b 8`. All values are in plain units; the model standardises.

    Clips shorter than a window are padded. Unspecified in the paper: gaze, distance and emotion
    are those of the window and not of the whole clip, so that they may change in a long clip.

    Args:
        val_split: the split of the validation windows.
        batch_size: windows in a batch.
        window: w.
        num_previous: k.
        min_frames: frames of a clip in a window at least; shorter clips are left out.
        num_val_windows: validation windows at most.
        short_share: share of windows that end earlier, of any length from `shortest` to w - 1: a
            live stream's are shorter than w. Unspecified in the paper, where all have w frames.
        shortest: frames of the shortest of them.
        clips: as `ClipDataModule`.
    """

    frames_in = "motion"

    def __init__(
        self,
        *,
        val_split: str,
        window: int,
        num_previous: int,
        min_frames: int,
        num_val_windows: int,
        short_share: float,
        shortest: int,
        **clips: Any,
    ) -> None:
        super().__init__(**clips)
        self.val_split = val_split
        self.window = window
        self.num_previous = num_previous
        self.min_frames = min_frames
        self.num_val_windows = num_val_windows
        if not 0 <= short_share <= 1 or not 1 <= shortest < window:
            raise InputError(
                "expected data.short_share from 0 to 1 and data.shortest from 1 to window - 1 "
                f"({window - 1}), got {short_share} and {shortest}"
            )
        self.short_share = short_share
        self.shortest = shortest
        self.info = MotionSetInfo.read(self.root)
        self._store: MotionStore = MotionStore(
            self.root,
            split=self.split,
            cache_gb=self.cache_gb,
            min_frames=min_frames,
            max_bad_share=self.max_bad_share,
        )
        self.table = self._store.table
        if self.table.empty:
            raise InputError(
                f"expected clips of {min_frames} frames or more in split {self.split!r} of "
                f"{self.root}, the longest has {self._store.longest}"
            )
        frames = np.asarray(self.table["frames"])
        self._chances = frames / frames.sum()

    def expect(self, *, stage1_hash: str | None, audio_encoder: str, num_motion: int) -> None:
        """Refuse a set that the model to be trained cannot speak.

        Args:
            stage1_hash: of the stage-1 net that will decode; None: whichever made the set.
            audio_encoder: `describe()` of the model's audio encoder.
            num_motion: m of the model.

        Raises:
            InputError: the set was made by another stage-1 net or audio encoder.
        """
        found = self.info
        if stage1_hash is not None and stage1_hash != found.stage1_hash:
            raise InputError(
                f"expected motion made by the stage-1 model {stage1_hash[:8]}, {self.root} was "
                f"made by {found.stage1_hash[:8]}; run `vasa encode` again with this stage1"
            )
        if audio_encoder != found.audio_encoder:
            raise InputError(
                f"expected motion shards with audio by {audio_encoder}, {self.root} has "
                f"{found.audio_encoder}; choose audio_encoder@module.model.audio=NAME to match, "
                "or run `vasa encode` again"
            )
        if num_motion != found.num_motion:
            raise InputError(
                f"expected motion of {num_motion} dimensions (module.model.num_motion), "
                f"{self.root} has {found.num_motion}"
            )

    def statistics(self) -> dict[str, np.ndarray]:
        """Means and deviations of the train split, by name."""
        return read_statistics(self.root)

    def batch_at(self, step: int) -> Batch:
        """The batch of a step: clips drawn by their length, then a place in each."""
        rng = step_rng(self.seed, step, "motion-batch")
        clips = rng.choice(len(self._store), size=self.batch_size, p=self._chances)
        samples = []
        for index in clips:
            clip = self._store[int(index)]
            length = self._draw_length(rng)
            start = self._draw_start(rng, len(clip.motion), length)
            samples.append(self.window_of(clip, start=start, length=length))
        return _stack(samples)

    def validation_batch(self) -> Batch | None:
        """The first window and one with previous frames of held-out clips; None if there are none.

        The same windows each time, from clips spread over the split.
        """
        store = self._val_store()
        if store is None:
            return None
        chosen = np.linspace(0, len(store) - 1, min(len(store), self.num_val_windows // 2))
        samples = []
        for index in np.unique(chosen.round().astype(int)):
            clip = store[int(index)]
            last = self._last_start(len(clip.motion), self.window)
            samples += [self.window_of(clip, start=start) for start in sorted({0, last})]
        return _stack(samples)

    def _val_store(self) -> MotionStore | None:
        if self.val_split not in set(read_index(self.root)["split"]):
            return None
        store = MotionStore(
            self.root,
            split=self.val_split,
            cache_gb=0,
            min_frames=self.min_frames,
            max_bad_share=self.max_bad_share,
        )
        return store if len(store) else None

    def face_to_show(self) -> StoredClip:
        """Pictures and sound of the clip that the first validation window is the start of.

        Raises:
            InputError: the face shards that the motion was made from are not where they were.
        """
        store = self._val_store()
        assert store is not None, "there is a validation window"
        return face_of(self.root, store[0].key)

    def window_of(
        self, clip: MotionClip, *, start: int, length: int | None = None
    ) -> dict[str, np.ndarray]:
        """The window of `length` frames (w) from `start` on, padded to w, with the k before it."""
        stop = min(start + (length or self.window), len(clip.motion))
        labels = clip.labels
        trusted = labels.valid[start:stop]
        judged = trusted if trusted.any() else np.ones_like(trusted)
        before = np.arange(start - self.num_previous, start)
        return {
            "motion": _pad(clip.motion[start:stop], self.window),
            "audio": _pad(clip.audio[start:stop], self.window),
            "frame_mask": np.arange(self.window) < stop - start,
            "loss_mask": _pad(trusted, self.window),
            "motion_pre": clip.motion[before.clip(0)],
            "audio_pre": clip.audio[before.clip(0)],
            "pre_mask": (before >= 0) & labels.valid[before.clip(0)],
            "gaze": main_gaze(labels.gaze[start:stop][judged]),
            "distance": head_distance(labels.pose[start:stop][judged]),
            "emotion": mean_emotion(labels.emotion[start:stop][judged]),
        }

    def _draw_length(self, rng: np.random.Generator) -> int:
        if self.short_share and rng.random() < self.short_share:
            return int(rng.integers(self.shortest, self.window))
        return self.window

    def _draw_start(self, rng: np.random.Generator, num_frames: int, length: int) -> int:
        return int(rng.integers(self._last_start(num_frames, length) + 1))

    def _last_start(self, num_frames: int, length: int) -> int:
        """The last place of a window: whole windows, or enough to have all previous frames."""
        room = num_frames - self.min_frames
        return max(0, num_frames - length, min(self.num_previous, room))


def _pad(values: np.ndarray, length: int) -> np.ndarray:
    missing = length - len(values)
    if not missing:
        return values  # np.pad would take a quarter of the time of a batch
    return np.pad(values, ((0, missing), *[(0, 0)] * (values.ndim - 1)))


def _stack(samples: list[dict[str, np.ndarray]]) -> Batch:
    return {
        name: torch.from_numpy(np.stack([sample[name] for sample in samples]))
        for name in samples[0]
    }
