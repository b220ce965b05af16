"""Frames for the face expert, and held-out ones to say how well it measures."""

from collections.abc import Iterator
from pathlib import Path

from vasa.data.face_datamodule import FaceDataModule
from vasa.data.remote import ShardRoot
from vasa.data.step_datamodule import Batch


class ExpertDataModule(FaceDataModule):
    """Batches of frames of many people, as `FaceDataModule`, with batches of other people beside.

    Args:
        root: face-shard set: a folder or a URL.
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
        cache_dir: folder that keeps clips of a `root` that is a URL; null: in the user's cache.
        cache_gb_disk: size of it.
        max_bad_share: clips that cannot be read, over all of the split, at most; others take their
            places.
    """

    def __init__(
        self,
        *,
        root: str | Path | ShardRoot,
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
        cache_dir: str | None = None,
        cache_gb_disk: float = 0.0,
        max_bad_share: float = 0.0,
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
            cache_dir=cache_dir,
            cache_gb_disk=cache_gb_disk,
            max_bad_share=max_bad_share,
        )
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
