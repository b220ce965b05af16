"""Ratios of what is summed over clips, and how far one mean lies from another's spread."""

import torch
from torch import Tensor

from vasa.evaluation.metrics.clip_metric import ClipMetric


class RatioOfSums(ClipMetric):
    """Sum of numerators over sum of denominators; range and direction are the ratio's.

    Events over seconds, hits over trials, or one mean over another of the same clips: a clip counts
    by its denominator, so that one with little in it can't decide.
    """

    higher_is_better = None

    def update(self, numerator: Tensor | float, denominator: Tensor | float) -> None:
        """Adds one clip's two numbers."""
        pair = (float(numerator), float(denominator))
        self.add_clip(torch.tensor(pair, dtype=torch.float64))

    @staticmethod
    def reduce(totals: Tensor) -> Tensor:
        return totals[..., 0] / totals[..., 1]


class DeviationInSpreads(ClipMetric):
    """(mean of results - mean of targets) / standard deviation of the targets over clips.

    0 is best; within -1 to 1 the results' mean is within the spread of the targets. NaN where the
    targets do not differ.
    """

    higher_is_better = None

    def update(self, result: Tensor | float, target: Tensor | float) -> None:
        """Adds one clip's two numbers."""
        x, y = float(result), float(target)
        self.add_clip(torch.tensor((1.0, x, y, y * y), dtype=torch.float64))

    @staticmethod
    def reduce(totals: Tensor) -> Tensor:
        count, x, y, yy = totals.unbind(-1)
        variance = (yy - y * y / count) / (count - 1)
        spread = torch.where(variance > 1e-12, variance, torch.nan).sqrt()
        return (x - y) / count / spread
