"""Batches of the form that training reads, of random content: what a step costs needs no clips."""

from types import SimpleNamespace

import numpy as np
import torch

from vasa.data.order import step_generator
from vasa.data.step_datamodule import Batch, StepDataModule

BLOBS = 8
"""Sides of the random grid that pictures are enlarged from; plain noise would be all edges."""


class RandomFaces(StepDataModule):
    """The same batch at every step, in the form of `FaceDataModule`: smooth random pictures.

    Args:
        image_size: px.
        batch_size: people in a batch.
        frames_per_clip: frames of each.
        seed: of the content.
        num_steps: training steps in all.
        num_workers: loader processes.
    """

    frames_in = "image"

    def __init__(
        self,
        *,
        image_size: int,
        batch_size: int,
        frames_per_clip: int,
        seed: int,
        num_steps: int,
        num_workers: int,
    ) -> None:
        super().__init__(num_steps=num_steps, num_workers=num_workers)
        self.batch_size = batch_size
        generator = step_generator(seed, 0, "random-faces")
        shape = (batch_size, frames_per_clip)

        def uniform(*more: int, most: float) -> torch.Tensor:
            return (2 * torch.rand(*shape, *more, generator=generator) - 1) * most

        grids = torch.rand(batch_size * frames_per_clip, 3, BLOBS, BLOBS, generator=generator)
        pictures = torch.nn.functional.interpolate(grids, (image_size, image_size), mode="bilinear")
        self.batch = {
            "image": (pictures * 255).byte().unflatten(0, shape),
            "landmarks": uniform(68, 2, most=0.6),
            "pose": uniform(6, most=0.2),
            "mouth": uniform(2, most=0.3).abs(),
            "gaze": uniform(2, most=0.3),
            "blink": uniform(most=1.0).abs(),
            "emotion": uniform(8, most=1.0).abs().softmax(dim=-1),
            "valid": torch.ones(shape, dtype=torch.bool),
            "speaker": torch.arange(batch_size),
        }

    def batch_at(self, step: int) -> Batch:
        """The batch, whatever the step."""
        return self.batch


class RandomWindows(StepDataModule):
    """The same batch at every step, in the form of `MotionDataModule`.

    Args:
        num_motion: m.
        num_audio: f.
        batch_size: windows in a batch.
        window: w.
        num_previous: k.
        seed: of the content.
        num_steps: training steps in all.
        num_workers: loader processes.
    """

    def __init__(
        self,
        *,
        num_motion: int,
        num_audio: int,
        batch_size: int,
        window: int,
        num_previous: int,
        seed: int,
        num_steps: int,
        num_workers: int,
    ) -> None:
        super().__init__(num_steps=num_steps, num_workers=num_workers)
        self.batch_size = batch_size
        self.info = SimpleNamespace(stage1_hash="0" * 64)
        self._sizes = {"motion": num_motion, "audio": num_audio, "gaze": 2, "distance": 1}
        generator = step_generator(seed, 0, "random-windows")

        def normal(*shape: int) -> torch.Tensor:
            return torch.randn(batch_size, *shape, generator=generator)

        self.batch = {
            "motion": normal(window, num_motion),
            "audio": normal(window, num_audio),
            "frame_mask": torch.ones(batch_size, window, dtype=torch.bool),
            "loss_mask": torch.ones(batch_size, window, dtype=torch.bool),
            "motion_pre": normal(num_previous, num_motion),
            "audio_pre": normal(num_previous, num_audio),
            "pre_mask": torch.ones(batch_size, num_previous, dtype=torch.bool),
            "gaze": normal(2),
            "distance": 1 + 0.1 * normal(1),
            "emotion": normal(8).softmax(dim=1),
        }

    def expect(self, **_: object) -> None:
        """Fits every model."""

    def statistics(self) -> dict[str, np.ndarray]:
        """Means 0 and deviations 1."""
        means = {f"{name}_mean": np.zeros(size, "f4") for name, size in self._sizes.items()}
        return means | {f"{name}_std": np.ones(size, "f4") for name, size in self._sizes.items()}

    def validation_batch(self) -> None:
        """None: nothing is held out."""

    def batch_at(self, step: int) -> Batch:
        """The batch, whatever the step."""
        return self.batch
