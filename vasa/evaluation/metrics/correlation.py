"""Pearson correlation of two series, within clips and pooled over them."""

import torch
from torch import Tensor

from vasa.evaluation.metrics.clip_metric import ClipMean, ClipMetric

CONSTANT_STD = 1e-6


def is_constant(series: Tensor) -> bool:
    """Whether a series has no variation to correlate with."""
    return len(series) == 0 or bool(series.double().std(correction=0) < CONSTANT_STD)


def pearson(first: Tensor, second: Tensor) -> Tensor:
    """r = cov(x, y) / (std x std y) of two series `t`; 0 when either is constant."""
    if is_constant(first) or is_constant(second):
        return torch.zeros((), dtype=torch.float64)
    first = first.double() - first.double().mean()
    second = second.double() - second.double().mean()
    return (first * second).sum() / (first.norm() * second.norm())


class ClipCorrelation(ClipMean):
    """Mean over clips of Pearson's r within the clip.

    A clip whose result is constant counts as 0; a clip whose target is constant is left out,
    because nothing could correlate with it. Range: -1 to 1, higher is better. Source: Pearson 1895.
    """

    higher_is_better = True

    def update(self, result: Tensor, target: Tensor) -> None:
        """Adds one clip: two series `t`."""
        if is_constant(target):
            self.add_empty()
        else:
            self.add_value(pearson(result, target))


class VectorCorrelation(ClipMean):
    """Mean over clips of r = sum <x, y> / sqrt(sum |x|^2 sum |y|^2) of centred vectors.

    Pearson's r for several components at once, each with the weight of its own spread. A constant
    result counts as 0, a constant target is left out. Range: -1 to 1, higher is better. Source:
    this project.
    """

    higher_is_better = True

    def update(self, result: Tensor, target: Tensor) -> None:
        """Adds one clip: two series `t d`."""
        x = result.double() - result.double().mean(dim=0)
        y = target.double() - target.double().mean(dim=0)
        if is_constant(y):
            self.add_empty()
            return
        size = x.norm() * y.norm()
        self.add_value((x * y).sum() / size if size > 0 else torch.zeros(()))


class PooledCorrelation(ClipMetric):
    """Pearson's r of all frames of all clips together.

    Unlike the mean over clips it also counts whether levels of different clips agree. Range: -1 to
    1, higher is better. Source: Pearson 1895.
    """

    higher_is_better = True

    def update(self, result: Tensor, target: Tensor) -> None:
        """Adds one clip: two series `t`."""
        x, y = result.double(), target.double()
        count = torch.tensor(float(len(x)), dtype=torch.float64)
        self.add_clip(
            torch.stack((count, x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum()))
        )

    @staticmethod
    def reduce(totals: Tensor) -> Tensor:
        count, x, y, xx, yy, xy = totals.unbind(-1)
        covariance = xy / count - (x / count) * (y / count)
        variance = (xx / count - (x / count) ** 2) * (yy / count - (y / count) ** 2)
        is_defined = variance > CONSTANT_STD**4
        return torch.where(is_defined, covariance / variance.clamp(min=1e-300).sqrt(), 0.0)
