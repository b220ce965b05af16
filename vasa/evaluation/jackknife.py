"""Interval of a number that is of a whole set, by leaving parts of the set out."""

from collections.abc import Sequence

import torch
from scipy.stats import t as student

MIN_GROUPS = 3


def jackknife_interval(value: float, left_out: Sequence[float]) -> tuple[float, float]:
    """95% interval of the delete-a-group jackknife (Shao and Tu 1995, sec. 2.3).

        value -+ t(g - 1) sqrt((g - 1) / g sum_k (theta_k - mean theta)^2)

    For numbers that a bootstrap gets wrong: with some of it drawn twice a set loses directions, and
    distances of Gaussians through such sets are all larger than the one that is asked about.

    Args:
        value: of the whole set.
        left_out: theta_k, without each of g groups of about one size.

    Returns:
        The ends; nan with under three groups.
    """
    num = len(left_out)
    if num < MIN_GROUPS:
        return float("nan"), float("nan")
    known = torch.tensor(left_out, dtype=torch.float64)
    error = ((num - 1) / num * (known - known.mean()).square().sum()).sqrt()
    reach = float(error * student.ppf(0.975, num - 1))
    return value - reach, value + reach
