"""Intervals by leaving parts out: a closed form, and how often they hold the truth."""

import math

import numpy as np
import pytest
from scipy.stats import t as student

from vasa.evaluation.jackknife import jackknife_interval


def left_out(values, groups):
    whole = np.arange(len(values)) % groups
    return [float(values[whole != group].mean()) for group in range(groups)]


def test_of_a_mean_it_is_the_t_interval():
    values = np.random.default_rng(0).normal(3, 2, 20)
    low, high = jackknife_interval(values.mean(), left_out(values, 20))
    reach = student.ppf(0.975, 19) * values.std(ddof=1) / math.sqrt(20)
    assert (low, high) == pytest.approx((values.mean() - reach, values.mean() + reach))


def test_it_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        values = rng.normal(1, 1, 48)
        low, high = jackknife_interval(values.mean(), left_out(values, 12))
        held += low <= 1 <= high
    assert 0.92 <= held / 400 <= 0.98


def test_too_few_groups_have_none():
    assert all(map(math.isnan, jackknife_interval(1.0, [0.9, 1.1])))
