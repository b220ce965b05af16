"""Frames for the face expert, and held-out ones to say how well it measures."""

from collections.abc import Iterator

from vasa.data.face_datamodule import FaceDataModule
from vasa.data.step_datamodule import Batch


class ExpertDataModule(FaceDataModule):
    """Batches of frames of many people, as `FaceDataModule`, with batches of other people beside.

    Args:
        root: face-shard set.
        split: the split to train on.
        batch_size: people in a batch.
        frames_per_clip: frames of each person's clip.
        min_distance: frames that two frames of a clip are apart at least.
        seed: of the order.
        num_steps: training steps in all.
        num_workers: loader processes.
        cache_gb: memory for decoded clips.
        held_out_split: the split to measure on; null for none.
        held_out_batches: batches of it.
    """

    def __init__(
        self,
        *,
        root: str,
        split: str,
        batch_size: int,
        frames_per_clip: int,
        min_distance: int,
        seed: int,
        num_steps: int,
        num_workers: int,
        cache_gb: float,
        held_out_split: str | None,
        held_out_batches: int,
    ) -> None:
        super().__init__(
            root=root,
            split=split,
            batch_size=batch_size,
            frames_per_clip=frames_per_clip,
            min_distance=min_distance,
            seed=seed,
            num_steps=num_steps,
            num_workers=num_workers,
            cache_gb=cache_gb,
        )
        self.held_out_split = held_out_split
        self.held_out_batches = held_out_batches

    def held_out(self) -> Iterator[Batch]:
        """The same batches of held-out people at every call."""
        if self.held_out_split is None:
            return
        other = FaceDataModule(
            root=str(self.root),
            split=self.held_out_split,
            batch_size=self.batch_size,
            frames_per_clip=self.frames_per_clip,
            min_distance=self.min_distance,
            seed=self.seed,
            num_steps=self.held_out_batches,
            num_workers=0,
            cache_gb=self.cache_gb,
        )
        for step in range(self.held_out_batches):
            yield other.batch_at(step)
