"""What all data modules over a set of shards are told."""

from pathlib import Path

from vasa.data.remote import ShardRoot, open_shards
from vasa.data.shards import index_hash
from vasa.data.step_datamodule import StepDataModule


class ClipDataModule(StepDataModule):
    """Batches of clips of one split of a shard set.

    Args:
        root: shard set: a folder or a URL.
        split: the split to train on.
        batch_size: rows of a batch; what a row is, a subclass says.
        seed: of the order.
        num_steps: training steps in all.
        num_workers: loader processes.
        cache_gb: memory for decoded clips.
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
        seed: int,
        num_steps: int,
        num_workers: int,
        cache_gb: float,
        cache_dir: str | None = None,
        cache_gb_disk: float = 0.0,
        max_bad_share: float = 0.0,
    ) -> None:
        super().__init__(num_steps=num_steps, num_workers=num_workers)
        self.root = open_shards(root, cache_dir=cache_dir, cache_gb=cache_gb_disk)
        self.split = split
        self.batch_size = batch_size
        self.seed = seed
        self.cache_gb = cache_gb
        self.max_bad_share = max_bad_share

    def data_hash(self) -> str:
        """Of the set's index, which names every clip."""
        return index_hash(self.root)
