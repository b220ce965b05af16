"""Which share of a wanted change arrived in the result."""

import torch
from torch import Tensor

from vasa.evaluation.metrics.clip_metric import ClipMetric


class TransferShare(ClipMetric):
    """sum <moved, wanted> / sum |wanted|^2 over all changes of all people.

    Noise across the wanted direction cancels. Range: any; 1 where the result changes as much as it
    should and in the right direction, 0 where it stands still, negative where it goes the other
    way; higher is better up to 1. Source: this project (slope of a regression).
    """

    higher_is_better = True

    def update(self, moved: Tensor, wanted: Tensor) -> None:
        """Adds one person: changes `n d` twice."""
        moved, wanted = moved.double(), wanted.double()
        self.add_clip(torch.stack(((moved * wanted).sum(), (wanted**2).sum())))

    @staticmethod
    def reduce(totals: Tensor) -> Tensor:
        return totals[..., 0] / totals[..., 1]
