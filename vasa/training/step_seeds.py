"""The step of a run, and random states that are a function of it.

The count of trained batches is the DataModule's `batches_consumed` (kept in checkpoints); it is
the step everywhere, whatever the number of optimisers and of accumulated batches.
"""

import random
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch import Callback

from vasa.data.order import derived_seed


def step_of(trainer: lightning.Trainer) -> int:
    """Batches trained on so far."""
    return trainer.datamodule.batches_consumed  # type: ignore[attr-defined]


class StepSeeds(Callback):
    """Global random states as a function of (seed, step, rank), so that a resumed run draws the
    same (dropout, say), and the count of consumed batches. Goes first.

    Args:
        seed: of the run.
    """

    def __init__(self, *, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Seed this step."""
        value = derived_seed(self.seed, step_of(trainer), "global", trainer.global_rank)
        torch.manual_seed(value)
        random.seed(value)
        np.random.seed(value % 2**32)

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Count the batch."""
        trainer.datamodule.batches_consumed += 1  # type: ignore[attr-defined]

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Lightning's own loop begins anew on the batches that are left.

        Its counters of epochs and batches would be compared with the loader's new, shorter length;
        only the optimiser's count (global_step) goes on.
        """
        fit = checkpoint["loops"]["fit_loop"]
        for name in ("epoch_progress", "epoch_loop.batch_progress"):
            fit[name] = _zeroed(fit[name])


def _zeroed(progress: Any) -> Any:
    if isinstance(progress, dict):
        return {key: _zeroed(value) for key, value in progress.items()}
    return type(progress)(0)
