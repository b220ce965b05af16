"""Rows that a metric keeps, put end to end over processes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.distributed import gather_all_tensors


class RowsMetric(Metric):
    """A metric all of whose states are lists of rows `n k`, float64."""

    full_state_update = False
    is_differentiable = False

    def _sync_dist(
        self,
        dist_sync_fn: Callable = gather_all_tensors,
        process_group: Any | None = None,
    ) -> None:
        """Gathers the rows of all processes in the order of their ranks; one may have none.

        What torchmetrics gathers from such a rank has another type and shape than rows, and fails.
        """
        for name in self._reductions:
            rows: list[Tensor] = getattr(self, name)
            own = torch.cat(list(rows)) if rows else torch.zeros(0, 0, dtype=torch.float64)
            parts = dist_sync_fn(own.to(self.device), group=process_group or self.process_group)
            setattr(self, name, [part.cpu() for part in parts if len(part)])
