"""Ratios of what is summed over clips, and how far one mean lies from another's spread."""

import torch
from torch import Tensor

from vasa.evaluation.metrics.clip_metric import ClipMetric


class ClipRatio(ClipMetric):
    """Sum of numerators over sum of denominators.

    Events over seconds, hits over trials, one size over another: a clip counts by its denominator,
    so that one with little in it can't decide, and one with nothing is left out.
    """

    def add_ratio(self, numerator: Tensor | float, denominator: Tensor | float) -> None:
        """Adds one clip's two numbers."""
        pair = (float(numerator), float(denominator))
        self.add_clip(torch.tensor(pair, dtype=torch.float64))

    @staticmethod
    def reduce(totals: Tensor) -> Tensor:
        return totals[..., 0] / totals[..., 1]


class RatioOfSums(ClipRatio):
    """One mean over another of the same clips.

    Range: the ratio's; nearer to 1 is better where it is generated over real. Source: this project.
    """

    higher_is_better = None

    def update(self, numerator: Tensor | float, denominator: Tensor | float) -> None:
        """Adds one clip's two numbers."""
        self.add_ratio(numerator, denominator)


class DeviationInSpreads(ClipMetric):
    """(mean of results - mean of targets) / standard deviation of the targets over clips.

    Range: any; 0 is best, and within -1 to 1 the results' mean is within the spread of the targets;
    NaN where the targets do not differ. Source: this project (Glass's delta).
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
