"""AdamW with a linear warm-up and a cosine decay, for every stage."""

import math
from collections.abc import Iterable

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch.nn import Parameter


def adamw_cosine(
    parameters: Iterable[Parameter],
    *,
    lr: float,
    weight_decay: float,
    warmup_steps: int,
    num_steps: int,
    final_lr: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.999),
) -> OptimizerLRSchedulerConfig:
    """What `configure_optimizers` returns: linear warm-up to `lr`, then half a cosine.

    Vectors and scalars (norms, biases) are not decayed. MegaPortraits: betas (0.5, 0.999),
    weight decay 1e-2, from 2e-4 to 1e-6.

    Args:
        parameters: what is trained.
        lr: peak learning rate.
        weight_decay: AdamW's, of matrices and kernels.
        warmup_steps: steps until the peak.
        num_steps: steps in all.
        final_lr: learning rate of the last step.
        betas: AdamW's.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=lr, betas=betas)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        done = (step - warmup_steps) / max(1, num_steps - warmup_steps)
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        return final_lr / lr + (1 - final_lr / lr) * cosine

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class AdamWCosineModule(lightning.LightningModule):
    """A network all of whose parameters are trained by `adamw_cosine`.

    Args:
        num_steps: training steps in all.
        lr: peak learning rate.
        weight_decay: AdamW's.
        warmup_steps: until the peak.
    """

    def __init__(
        self, *, num_steps: int, lr: float, weight_decay: float, warmup_steps: int
    ) -> None:
        super().__init__()
        self.num_steps = num_steps
        self.lr = lr
        self.weight_decay = weight_decay
        self.warmup_steps = warmup_steps

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW, cosine."""
        return adamw_cosine(
            self.parameters(),
            lr=self.lr,
            weight_decay=self.weight_decay,
            warmup_steps=self.warmup_steps,
            num_steps=self.num_steps,
        )
