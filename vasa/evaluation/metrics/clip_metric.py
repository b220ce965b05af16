"""The base of every metric: additive statistics a clip, so that halves merge and clips resample."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torchmetrics import Metric


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A metric's value with its bootstrap interval and the number of clips behind it."""

    value: float
    ci_low: float
    ci_high: float
    num_clips: int


class ClipMetric(Metric):
    """A metric whose value is a function of statistics summed over clips.

    A subclass turns a clip into a vector of `k` statistics (`add_clip`) and says what their sum
    means (`reduce`). Frames of one clip are correlated, so the clip, not the frame, is resampled.
    """

    full_state_update = False
    is_differentiable = False

    statistics: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("statistics", default=[], dist_reduce_fx="cat")

    def add_clip(self, statistics: Tensor) -> None:
        """Adds one clip's statistics `k`."""
        self.statistics.append(statistics.detach().double().cpu()[None])

    @contextmanager
    def one_unit(self) -> Iterator[None]:
        """All that is added inside counts as one clip, as a control made from many should."""
        start = len(self.statistics)
        yield
        added = self.statistics[start:]
        if added:
            del self.statistics[start:]
            self.statistics.append(torch.stack(list(added)).sum(dim=0))

    @staticmethod
    @abstractmethod
    def reduce(totals: Tensor) -> Tensor:
        """The metric's value `...` from statistics summed over clips, `... k`."""

    def stacked(self) -> Tensor:
        """The statistics of all clips so far, `clips k`."""
        if len(self.statistics) == 0:
            raise RuntimeError(f"{type(self).__name__} has seen no clip")
        if isinstance(self.statistics, Tensor):
            return self.statistics
        return torch.cat(list(self.statistics))

    def compute(self) -> Tensor:
        return self.reduce(self.stacked().sum(dim=0))

    def estimate(self, *, num_resamples: int, seed: int) -> Estimate:
        """Value and percentile bootstrap interval of 95% over clips (Efron 1979)."""
        statistics = self.stacked()
        low, high = bootstrap_interval(
            statistics, reduce=self.reduce, num_resamples=num_resamples, seed=seed
        )
        return Estimate(
            value=float(self.reduce(statistics.sum(dim=0))),
            ci_low=low,
            ci_high=high,
            num_clips=len(statistics),
        )


class ClipMean(ClipMetric):
    """The mean over clips of one number a clip."""

    def add_value(self, value: Tensor) -> None:
        """Adds one clip's number (a scalar)."""
        value = value.detach().double().cpu().reshape(())
        self.add_clip(torch.stack((value, torch.ones((), dtype=torch.float64))))

    @staticmethod
    def reduce(totals: Tensor) -> Tensor:
        return totals[..., 0] / totals[..., 1]

    def per_clip(self) -> Tensor:
        """Each clip's number, `clips`."""
        return self.reduce(self.stacked())


class MeanOverClips(ClipMean):
    """Mean over clips of numbers computed elsewhere; range and direction are the number's."""

    higher_is_better = None

    def update(self, value: Tensor) -> None:
        """Adds the number of one clip."""
        self.add_value(value)


def bootstrap_interval(
    statistics: Tensor,
    *,
    reduce: Callable[[Tensor], Tensor],
    num_resamples: int,
    seed: int,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap interval of `reduce(sum over clips)`.

    Args:
        statistics: additive statistics, `clips k`.
        reduce: summed statistics `... k` to value `...`.
        num_resamples: draws with replacement of as many clips as there are.
        seed: of the draws.
        level: coverage.
    """
    generator = torch.Generator().manual_seed(seed)
    num_clips = len(statistics)
    draws = torch.randint(num_clips, (num_resamples, num_clips), generator=generator)
    values = reduce(statistics.double()[draws].sum(dim=1))
    values = values[~values.isnan()]
    if len(values) == 0:
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    low, high = torch.quantile(values, torch.tensor([tail, 1 - tail], dtype=torch.float64))
    return float(low), float(high)
