"""Fréchet distance against closed forms and against scipy's matrix root."""

import copy
import warnings

import numpy as np
import pytest
import torch
from scipy import linalg

from vasa.evaluation.metrics.frechet import FrechetDistance, frechet_distance
from vasa.types import InputError


def rows(count: int, width: int, *, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(width, width, generator=generator, dtype=torch.float64)
    return torch.randn(count, width, generator=generator, dtype=torch.float64) @ mixing


def with_moments(mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """Rows whose sample mean and standard deviations are exactly these, uncorrelated."""
    width = len(mean)
    corners = torch.cat((torch.eye(width), -torch.eye(width))).double()
    return mean + corners * std * ((2 * width - 1) / 2) ** 0.5


def by_matrix_root(first: torch.Tensor, second: torch.Tensor) -> float:
    x, y = first.numpy(), second.numpy()
    one, two = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of singular matrices
        root = linalg.sqrtm(one @ two)
    gap = x.mean(0) - y.mean(0)
    return float(gap @ gap + np.trace(one) + np.trace(two) - 2 * np.trace(root).real)


def test_known_gaussians() -> None:
    mean, std = torch.tensor([1.0, -2.0, 0.5]).double(), torch.tensor([1.0, 2.0, 0.5]).double()
    other, wider = torch.tensor([0.0, 1.0, 0.5]).double(), torch.tensor([3.0, 2.0, 1.0]).double()
    distance = frechet_distance(with_moments(mean, std), with_moments(other, wider))
    # |mean - mean'|^2 + sum (std - std')^2, since both are diagonal
    assert distance == pytest.approx(1 + 9 + 4 + 0 + 0.25, abs=1e-9)


@pytest.mark.parametrize(("count", "width"), [(200, 5), (64, 32), (40, 39)])
def test_agrees_with_the_matrix_root(count: int, width: int) -> None:
    first, second = rows(count, width), rows(count + 7, width, seed=1) + 0.3
    assert frechet_distance(first, second) == pytest.approx(by_matrix_root(first, second), rel=1e-6)


def test_fewer_rows_than_features() -> None:
    first, second = rows(6, 50), rows(9, 50, seed=1)
    distance = frechet_distance(first, second)
    # Turned about the origin, nothing changes; another 50 features that are 0 add nothing.
    turn, _ = torch.linalg.qr(rows(50, 50, seed=2))
    assert frechet_distance(first @ turn, second @ turn) == pytest.approx(distance, rel=1e-9)
    pad = torch.nn.functional.pad
    assert frechet_distance(pad(first, (0, 50)), pad(second, (0, 50))) == pytest.approx(distance)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(second, first) == pytest.approx(distance, rel=1e-9)


def test_grows_with_the_perturbation() -> None:
    first = rows(100, 8)
    noise = torch.randn(100, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = [frechet_distance(first, first + size * noise) for size in (0.0, 0.5, 1.0, 2.0)]
    assert found == sorted(found) and found[0] < 1e-9 < found[1]
    # What is shifted by v is |v|^2 away, and a still picture lacks all the spread there is.
    assert frechet_distance(first, first + 2) == pytest.approx(8 * 4)
    still = first.mean(dim=0).expand(5, 8)
    assert frechet_distance(first, still) == pytest.approx(float(first.var(dim=0).sum()))


def test_metric_is_the_function_and_halves_merge_to_the_whole() -> None:
    real, fake = rows(50, 6) + 5, rows(30, 6, seed=1)
    whole, half = FrechetDistance(), FrechetDistance()
    other = copy.deepcopy(half)
    for metric, part in ((half, slice(0, 20)), (other, slice(20, None))):
        metric.update(real[part], is_real=True)
        metric.update(fake[part], is_real=False)
    for row in real:
        whole.update(row[None], is_real=True)
    whole.update(fake, is_real=False)
    expected = frechet_distance(real, fake)
    assert float(whole.compute()) == pytest.approx(expected, rel=1e-8)
    half.merge_state(other)
    assert float(half.compute()) == pytest.approx(expected, rel=1e-8)
    assert FrechetDistance.higher_is_better is False


def test_metric_of_float32_far_from_the_origin() -> None:
    real = rows(40, 4).float() + 1000
    metric = FrechetDistance()
    metric.update(real, is_real=True)
    metric.update(real + 1, is_real=False)
    assert float(metric.compute()) == pytest.approx(4, rel=1e-3)


def test_users_errors() -> None:
    good = rows(5, 3)
    with pytest.raises(InputError, match="expected 2 rows or more"):
        frechet_distance(good, good[:1])
    with pytest.raises(InputError, match="expected finite features, got 1 of 15"):
        broken = good.clone()
        broken[2, 1] = float("nan")
        frechet_distance(good, broken)
    with pytest.raises(InputError, match="got 3 and 2 columns"):
        frechet_distance(good, good[:, :2])
    with pytest.raises(InputError, match="expected features of shape"):
        frechet_distance(good[0], good)
    metric = FrechetDistance()
    metric.update(good, is_real=True)
    metric.update(good[:1], is_real=False)
    with pytest.raises(InputError, match="expected 2 rows or more"):
        metric.compute()
    with pytest.raises(InputError, match="expected 3 features"):
        metric.update(good[:, :2], is_real=True)
