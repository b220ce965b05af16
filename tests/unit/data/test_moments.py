"""Moments in parts are those of all data at once."""

from functools import reduce

import numpy as np
import pytest

from vasa.data.moments import Moments


@pytest.mark.parametrize("cuts", [(), (1,), (0, 0, 17, 17), tuple(range(1, 500, 7))])
def test_parts_give_what_numpy_gives_of_the_whole(cuts):
    """Far from zero, where the difference of mean squares would have lost every digit."""
    rng = np.random.default_rng(0)
    values = rng.normal([0, 1e6, -3], [1, 1e-2, 40], size=(500, 3))
    parts = [Moments.of(part) for part in np.split(values, cuts)]
    found = reduce(Moments.merged, parts)
    assert found.count == 500
    np.testing.assert_allclose(found.mean, values.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.std, values.std(axis=0), rtol=1e-7)


def test_the_order_of_parts_matters_to_the_last_digits_only():
    values = np.random.default_rng(1).normal(5, 2, size=(60, 4)).astype(np.float32)
    parts = [Moments.of(part) for part in np.split(values, (7, 30))]
    forth, back = reduce(Moments.merged, parts), reduce(Moments.merged, parts[::-1])
    np.testing.assert_allclose(forth.mean, back.mean, rtol=1e-14)
    np.testing.assert_allclose(forth.squares, back.squares, rtol=1e-13)


def test_one_vector_has_no_spread_and_none_has_no_weight():
    one, none = Moments.of(np.array([[2.0, -1.0]])), Moments.of(np.zeros((0, 2)))
    for both in (one.merged(none), none.merged(one)):
        assert both.count == 1
        np.testing.assert_array_equal(both.mean, [2.0, -1.0])
        np.testing.assert_array_equal(both.std, [0.0, 0.0])
