"""Paired differences against scipy and against counting by hand."""

import numpy as np
import pytest
from scipy import stats

from vasa.evaluation.paired import paired_difference
from vasa.types import InputError


def scores(count: int, *, shift: float, seed: int = 0) -> tuple[list[float], list[float]]:
    """Two methods over clips that differ far more than the methods do."""
    draw = np.random.default_rng(seed)
    clip = draw.normal(0, 5, count)
    first = clip + draw.normal(shift, 0.5, count)
    return first.tolist(), (clip + draw.normal(0, 0.5, count)).tolist()


def paired(first: list[float], second: list[float]):
    return paired_difference(first, second, num_resamples=4000, seed=0)


def test_three_clips_by_hand() -> None:
    found = paired([2.0, 3.0, 5.0], [1.0, 1.0, 1.0])
    assert found.mean == pytest.approx(7 / 3) and found.num_clips == 3
    assert found.p_value == pytest.approx(2 / 8)  # all positive, or all negative


def test_all_sign_flips_as_scipy_counts_them() -> None:
    first, second = scores(10, shift=0.3)
    test = stats.permutation_test(
        (first, second),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=5000,
    )
    assert paired(first, second).p_value == pytest.approx(test.pvalue)


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.25])
def test_drawn_flips_and_the_interval_as_the_t_test_has_them(shift: float) -> None:
    first, second = scores(60, shift=shift, seed=2)
    found, test = paired(first, second), stats.ttest_rel(first, second)
    assert found.p_value == pytest.approx(test.pvalue, abs=0.03)
    interval = test.confidence_interval(0.95)
    width = interval.high - interval.low
    assert found.ci_low == pytest.approx(interval.low, abs=0.1 * width)
    assert found.ci_high == pytest.approx(interval.high, abs=0.1 * width)


def test_pairs_tell_what_two_intervals_would_not() -> None:
    first, second = scores(40, shift=0.5)
    found = paired(first, second)
    assert found.ci_low > 0 and found.p_value < 0.01
    assert paired(first, second[1:] + second[:1]).p_value > 0.05  # pairs broken
    back = paired(second, first)
    assert back.mean == pytest.approx(-found.mean) and back.p_value == found.p_value


def test_one_method_against_itself() -> None:
    for count in (4, 40):
        found = paired([1.0] * count, [1.0] * count)
        assert (found.mean, found.ci_low, found.ci_high, found.p_value) == (0, 0, 0, 1)


def test_never_zero_and_the_same_again() -> None:
    first = [float(k) for k in range(1, 41)]
    found = paired(first, [0.0] * 40)
    assert found.p_value == pytest.approx(1 / 4001)
    assert paired(first, [0.0] * 40) == found


def test_users_errors() -> None:
    with pytest.raises(InputError, match="got 2 and 1"):
        paired([1.0, 2.0], [1.0])
    with pytest.raises(InputError, match="got 0 and 0"):
        paired([], [])
    with pytest.raises(InputError, match="finite scores"):
        paired([1.0, float("nan")], [1.0, 2.0])


def test_copies_within_a_person_change_neither_interval_nor_p() -> None:
    first, second = scores(8, shift=0.3)
    people = [str(person) for person in range(8)]
    once = paired(first, second)
    copied = paired_difference(first * 5, second * 5, num_resamples=4000, seed=0, people=people * 5)
    assert (copied.num_clips, copied.num_people) == (40, 8)
    assert copied.p_value == once.p_value
    assert (copied.ci_low, copied.ci_high) == pytest.approx((once.ci_low, once.ci_high))
    blind = paired(first * 5, second * 5)
    assert blind.p_value < once.p_value
    assert blind.ci_high - blind.ci_low < 0.6 * (once.ci_high - once.ci_low)
