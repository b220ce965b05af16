"""Mean and interval of a number over training seeds."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import t as student


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A mean over seeds with its 95% interval.

    Attributes:
        mean: over the seeds.
        low, high: 95% t-interval of the mean; NaN with one seed.
        n: seeds.
    """

    mean: float
    low: float
    high: float
    n: int


def spread_of(values: Sequence[float]) -> Spread:
    """mean +- t_{0.975, n - 1} s / sqrt(n), with s the standard deviation over n seeds.

    It takes the seeds' numbers for normal; with two seeds it is wide (t = 12.7), as it should be.
    """
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Spread(mean=mean, low=math.nan, high=math.nan, n=len(values))
    error = statistics.stdev(values) / math.sqrt(len(values))
    half = float(student.ppf(0.975, len(values) - 1)) * error
    return Spread(mean=mean, low=mean - half, high=mean + half, n=len(values))
