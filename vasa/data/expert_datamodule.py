"""Frames for the face expert, and held-out ones to say how well it measures."""

from collections.abc import Iterator
from typing import Any

from vasa.data.face_datamodule import FaceDataModule
from vasa.data.step_datamodule import Batch


class ExpertDataModule(FaceDataModule):
    """Batches of frames of many people, as `FaceDataModule`, with batches of other people beside.

    Args:
        held_out_split: the split to measure on; null for none.
        held_out_batches: batches of it.
        faces: as `FaceDataModule`.
    """

    def __init__(
        self,
        *,
        held_out_split: str | None,
        held_out_batches: int,
        **faces: Any,
    ) -> None:
        super().__init__(**faces)
        self.held_out_split = held_out_split
        self.held_out_batches = held_out_batches

    def held_out(self) -> Iterator[Batch]:
        """The same batches of held-out people at every call."""
        if self.held_out_split is None:
            return
        other = FaceDataModule(
            root=self.root,
            split=self.held_out_split,
            batch_size=self.batch_size,
            frames_per_clip=self.frames_per_clip,
            min_distance=self.min_distance,
            seed=self.seed,
            num_steps=self.held_out_batches,
            num_workers=0,
            cache_gb=self.cache_gb,
            max_bad_share=self.max_bad_share,
        )
        for step in range(self.held_out_batches):
            yield other.batch_at(step)
