"""A DataModule whose batch is a function of (seed, step).

Subclasses say what the batch of a step is; order, workers and resume are handled here, once.
"""

from abc import abstractmethod
from typing import Any

import lightning
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vasa.data.order import StepSampler

Batch = dict[str, Tensor]


class _Steps(Dataset[Batch]):
    def __init__(self, module: "StepDataModule") -> None:
        self.module = module

    def __getitem__(self, step: int) -> Batch:
        return self.module.batch_at(step)


class StepDataModule(lightning.LightningDataModule):
    """Serves `batch_at(step)` for the steps that are left.

    Args:
        num_steps: training steps in all.
        num_workers: loader processes; the order does not depend on it.

    Attributes:
        batches_consumed: training batches that have been trained on, kept in checkpoints. The
            training loop counts it up after each batch: a loader's own count is off by what is
            prefetched.
    """

    def __init__(self, *, num_steps: int, num_workers: int) -> None:
        super().__init__()
        self.num_steps = num_steps
        self.num_workers = num_workers
        self.batches_consumed = 0

    @abstractmethod
    def batch_at(self, step: int) -> Batch:
        """The whole training batch of a step."""

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
