"""What happens when a gradient is not finite."""

from typing import Any

import lightning
import numpy as np
from lightning.pytorch import Callback
from torch.nn.utils import get_total_norm

from vasa.training.run_folder import RunFolder
from vasa.training.step_seeds import step_of


class NonFiniteGuard(Callback):
    """A step whose loss or gradient is not finite changes no weight; too many in a row end the run.

    Such steps are counted (`train/nonfinite_steps`), for each optimiser by itself; what ended a run
    stands in nonfinite.json: losses, and the parameters whose gradient was not finite.

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
        """Look at the gradients: a loss that is not finite has none that is."""
        number = next(i for i, other in enumerate(trainer.optimizers) if other is optimizer)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = float(get_total_norm(gradients)) if gradients else 0.0
        if np.isfinite(norm):
            self.in_a_row[number] = 0
            pl_module.log("train/gradient_norm" + (f"_{number}" if number else ""), norm)
            return
        self.in_a_row[number] = self.in_a_row.get(number, 0) + 1
        self.num_steps += 1
        pl_module.log("train/nonfinite_steps", float(self.num_steps))
        if self.in_a_row[number] >= self.max_steps:
            self._end(trainer, pl_module, self.in_a_row[number])
        for parameter in parameters:
            parameter.grad = None

    def _end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, times: int
    ) -> None:
        losses = {key: float(value) for key, value in trainer.callback_metrics.items()}
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
            f"training diverged at step {step_of(trainer)}: the gradient is not finite "
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
