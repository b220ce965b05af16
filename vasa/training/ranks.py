"""What several processes need beside the mean of gradients, so that their loss is that of one.

Every process trains on an equal share of the rows of the global batch, and the gradient is the mean
over processes. That is the gradient of the global batch where a loss is a mean over rows. A mean
over the valid rows alone is weighed by `valid_share`, a loss that compares rows with one another
takes `rows_of_all`, and what a mean is divided by is `mean_of_all`. In one process all of it
changes nothing.
"""

import lightning
import torch
from torch import Tensor

from vasa.data.order import RowShare


def share_of(module: lightning.LightningModule) -> RowShare:
    """The rows that this process trains on; all of them outside of a run."""
    trainer = module._trainer
    return RowShare() if trainer is None else trainer.datamodule.share  # type: ignore[attr-defined]


def valid_share(module: lightning.LightningModule, valid: Tensor) -> Tensor | float:
    """Factor of a mean over valid rows: their number here over the mean number of a process.

    The mean over processes of factor x mean is the mean over all valid rows of the global batch.

    Args:
        module: in training.
        valid: True where a row (or frame) counts, any shape.
    """
    if share_of(module).count == 1:
        return 1.0
    own = valid.sum().to(torch.float32)
    mean = module.trainer.strategy.reduce(own.clone(), reduce_op="mean")
    assert isinstance(mean, Tensor)
    return own / mean.clamp(min=1e-6)


def mean_of_all(module: lightning.LightningModule, value: Tensor) -> Tensor:
    """The mean over processes of a number, without gradient: what a batch's terms are divided by.

    Args:
        module: in training.
        value: own, a scalar, of as many rows in every process.
    """
    if share_of(module).count == 1:
        return value
    mean = module.trainer.strategy.reduce(value.detach().clone(), reduce_op="mean")
    assert isinstance(mean, Tensor)
    return mean


def rows_of_all(module: lightning.LightningModule, rows: Tensor, *, groups: int = 1) -> Tensor:
    """The rows of all processes in the order of the global batch; gradients flow back to them.

    Args:
        module: in training.
        rows: own rows, `b ...`, as many in every process.
        groups: runs of all rows behind one another, as `RowShare.take` gives them.
    """
    count = share_of(module).count
    if count == 1:
        return rows
    gathered = module.all_gather(rows, sync_grads=rows.requires_grad)
    assert isinstance(gathered, Tensor)
    by_process = gathered.flatten(0, 1).unflatten(0, (count, groups, -1))
    return by_process.transpose(0, 1).flatten(0, 2)
