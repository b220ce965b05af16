"""A DataModule whose batch is a function of (seed, step).

Subclasses say what the batch of a step is; order, workers, processes and resume are handled here,
once.
"""

from abc import abstractmethod
from typing import Any

import lightning
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vasa.data.order import RowShare, StepSampler

Batch = dict[str, Tensor]


class _Steps(Dataset[Batch]):
    def __init__(self, module: "StepDataModule") -> None:
        self.module = module

    def __getitem__(self, step: int) -> Batch:
        return self.module.own_rows_at(step)


class StepDataModule(lightning.LightningDataModule):
    """Serves `batch_at(step)` for the steps that are left.

    Args:
        num_steps: training steps in all.
        num_workers: loader processes; the order does not depend on it.

    Attributes:
        batches_consumed: training batches that have been trained on, kept in checkpoints. The
            training loop counts it up after each batch: a loader's own count is off by what is
            prefetched.
        batch_size: rows of the global batch, whatever the number of processes (set by subclasses).
        share: the rows of it that this process trains on; all of them before `share_out`.
    """

    batch_size: int = 0

    def __init__(self, *, num_steps: int, num_workers: int) -> None:
        super().__init__()
        self.num_steps = num_steps
        self.num_workers = num_workers
        self.batches_consumed = 0
        self.share = RowShare()

    @abstractmethod
    def batch_at(self, step: int) -> Batch:
        """The whole training batch of a step."""

    def share_out(self, share: RowShare) -> None:
        """Train on a share of every batch from now on.

        Raises:
            InputError: the batch does not go evenly into the processes.
        """
        share.check(self.batch_size)
        self.share = share

    def own_rows_at(self, step: int) -> Batch:
        """This process's rows of the batch of a step.

        The whole batch is put together and cut. A subclass whose rows are dear to read may read
        its own alone, as long as they come out the same.
        """
        return {name: self.share.take(value) for name, value in self.batch_at(step).items()}

    def train_dataloader(self) -> DataLoader[Batch]:
        """A finite loader of the steps not yet trained on."""
        return DataLoader(
            _Steps(self),
            batch_size=None,
            sampler=StepSampler(start_step=self.batches_consumed, num_steps=self.num_steps),
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
        )

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of the data order."""
        return {"batches_consumed": self.batches_consumed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue after the batches that a checkpoint has seen."""
        self.batches_consumed = int(state_dict["batches_consumed"])
