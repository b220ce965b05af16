"""What happens when a loss or a gradient is not finite."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch import Callback
from torch import Tensor
from torch.nn.utils import get_total_norm

from vasa.training.run_folder import RunFolder
from vasa.training.step_seeds import step_of


@dataclass(frozen=True, kw_only=True)
class StepLosses:
    """The losses behind the step that an optimiser is about to take.

    A module that steps by itself (manual optimisation) has them as `.step_losses` before each step;
    of others, Lightning knows by then what this step logged.

    Attributes:
        minimised: name of what this optimiser minimises.
        values: every loss of this step by the name that it is logged by.
    """

    minimised: str
    values: Mapping[str, Tensor]


class NonFiniteGuard(Callback):
    """A step whose loss or gradient is not finite changes no weight; too many in a row end the run.

    Such steps are counted (`train/nonfinite_steps`), for each optimiser by itself; what ended a run
    stands in nonfinite.json: the losses of that step, and the parameters whose gradient was not
    finite.

    Args:
        folder: run folder.
        max_steps: consecutive such steps that end the run.
    """

    def __init__(self, *, folder: RunFolder, max_steps: int) -> None:
        self.folder = folder
        self.max_steps = max_steps
        self.in_a_row: dict[int, int] = {}
        self.num_steps = 0

    def on_before_optimizer_step(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, optimizer: Any
    ) -> None:
        """Look at the loss and at its gradients; all processes come to the same end."""
        number = next(i for i, other in enumerate(trainer.optimizers) if other is optimizer)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = float(get_total_norm(gradients)) if gradients else 0.0
        losses = _losses_of(trainer, pl_module)
        if np.isfinite(norm) and _is_finite_everywhere(trainer, losses):
            self.in_a_row[number] = 0
            pl_module.log("train/gradient_norm" + (f"_{number}" if number else ""), norm)
            return
        self.in_a_row[number] = self.in_a_row.get(number, 0) + 1
        self.num_steps += 1
        if self.in_a_row[number] >= self.max_steps:
            self._end(trainer, pl_module, losses, self.in_a_row[number])
        for parameter in parameters:
            parameter.grad = None

    def has_left_out(self, optimizer: int = 0) -> bool:
        """Whether the last step of an optimiser was left out."""
        return self.in_a_row.get(optimizer, 0) > 0

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """The count, 0 included."""
        count = torch.tensor(float(self.num_steps))
        trainer.callback_metrics["train/nonfinite_steps"] = count

    def _end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        step_losses: StepLosses,
        times: int,
    ) -> None:
        losses = {key: float(value) for key, value in step_losses.values.items()}
        bad = ", ".join(f"{k} = {v}" for k, v in losses.items() if not np.isfinite(v))
        dump = {
            "step": step_of(trainer),
            "losses": {key: repr(value) for key, value in losses.items()},
            "gradients_not_finite": [
                name
                for name, parameter in pl_module.named_parameters()
                if parameter.grad is not None and not parameter.grad.isfinite().all()
            ],
        }
        if trainer.is_global_zero:
            self.folder.write_nonfinite(dump)
        raise FloatingPointError(
            f"training diverged at step {step_of(trainer)}: the loss or its gradient is not finite "
            f"({bad or 'the losses here are'}), {times} time(s) in a row; the last checkpoint is "
            "from before, nonfinite.json names the parameters; try a lower learning rate or full "
            "precision"
        )

    def state_dict(self) -> dict[str, Any]:
        """The counts."""
        return {"in_a_row": dict(self.in_a_row), "num_steps": self.num_steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the checkpoint stood."""
        self.in_a_row = dict(state_dict["in_a_row"])
        self.num_steps = state_dict["num_steps"]


def _losses_of(trainer: lightning.Trainer, module: lightning.LightningModule) -> StepLosses:
    """What the module shows, or what it logged."""
    shown = getattr(module, "step_losses", None)
    if shown is not None:
        assert isinstance(shown, StepLosses), f"step_losses is a {type(shown).__name__}"
        return shown
    return StepLosses(minimised="train/loss", values=trainer.callback_metrics)


def _is_finite_everywhere(trainer: lightning.Trainer, losses: StepLosses) -> bool:
    """Whether the loss is finite in every process, each of which has its own."""
    loss = losses.values.get(losses.minimised)
    if loss is None:
        return True
    is_finite = loss.detach().isfinite().all().to(torch.float32)
    if trainer.world_size > 1:
        is_finite = trainer.strategy.reduce(is_finite, reduce_op="min")
    return bool(is_finite)
