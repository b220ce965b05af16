"""Exponential moving average of the exported network's weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning
import torch
from lightning.pytorch import Callback
from torch import Tensor, nn

from vasa.training.nonfinite_guard import NonFiniteGuard


class ModelEma(Callback):
    """Averages `module.model`, and nothing else, after each batch.

    ema <- d ema + (1 - d) weights, with d = min(decay, (1 + n) / (10 + n)) after n batches, so
    that a short run is not an average with its random start. Buffers that are not floating point
    are copied. A step that the guard left out is none: the average stays as it is.

    Args:
        decay: the final d, in [0, 1).
        guard: knows whether the network's optimiser (the first) took its step.
    """

    def __init__(self, *, decay: float, guard: NonFiniteGuard) -> None:
        self.decay = decay
        self.guard = guard
        self.num_updates = 0
        self.average: dict[str, Tensor] = {}

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule):
        """Begin with the weights as they are, or go on with the restored average."""
        model = pl_module.model
        assert isinstance(model, nn.Module), "a training module has its network as .model"
        device = pl_module.device
        source = self.average or model.state_dict()
        self.average = {name: value.detach().clone().to(device) for name, value in source.items()}

    @torch.no_grad()
    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module, *_: Any) -> None:
        """One step of the average."""
        if self.guard.has_left_out():
            return
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        self.num_updates += 1
        for name, value in pl_module.model.state_dict().items():
            average = self.average[name]
            if average.is_floating_point():
                average.lerp_(value.to(average.dtype), 1 - decay)
            else:
                average.copy_(value)

    @contextmanager
    def swapped_in(self, model: nn.Module) -> Iterator[None]:
        """The network with the averaged weights; its own ones come back afterwards."""
        own = {name: value.detach().clone() for name, value in model.state_dict().items()}
        model.load_state_dict(self.average)
        try:
            yield
        finally:
            model.load_state_dict(own)

    def state_dict(self) -> dict[str, Any]:
        """Average and count, for the checkpoint."""
        return {"num_updates": self.num_updates, "average": self.average}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the checkpoint stood."""
        self.num_updates = state_dict["num_updates"]
        self.average = dict(state_dict["average"])
