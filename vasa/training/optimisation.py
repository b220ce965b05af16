"""AdamW with warm-up and cosine decay, as the small supervised networks use it."""

import math
from collections.abc import Iterable

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
) -> OptimizerLRSchedulerConfig:
    """What `configure_optimizers` returns: linear warm-up to `lr`, then half a cosine to 0.

    Args:
        parameters: what is trained.
        lr: peak learning rate.
        weight_decay: AdamW's.
        warmup_steps: steps until the peak.
        num_steps: steps in all.
    """
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        done = (step - warmup_steps) / max(1, num_steps - warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
