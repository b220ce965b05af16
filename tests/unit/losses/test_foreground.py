"""Foreground weights: where the head is, without a mask."""

import math

import pytest
import torch

from vasa.losses.foreground import head_weights, weighted_mean

SIZE = 64
PLAIN = {"crown": 1.0, "dilation": 0.0, "softness": 1e-3, "floor": 0.0}


def half_ring(radius: float, centre: tuple[float, float] = (0.0, 0.0)) -> torch.Tensor:
    """A face whose jaw is the lower half of a circle, all other points in the middle."""
    landmarks = torch.tensor(centre).repeat(1, 68, 1)
    angle = torch.linspace(math.pi, 0, 17)
    landmarks[0, :17] += radius * torch.stack((angle.cos(), angle.sin()), dim=-1)
    return landmarks


def radii() -> torch.Tensor:
    axis = (torch.arange(SIZE) * 2 + 1) / SIZE - 1
    return torch.hypot(axis[None, :], axis[:, None])


def test_a_jaw_is_completed_to_a_head():
    weights = head_weights(half_ring(0.5), SIZE, **PLAIN)
    assert weights.shape == (1, 1, SIZE, SIZE)
    assert (weights[0, 0][radii() < 0.47] == 1).all()
    assert (weights[0, 0][radii() > 0.53] == 0).all()
    assert weights.mean() == pytest.approx(math.pi * 0.5**2 / 4, rel=0.03)


def test_a_lower_crown_covers_less_and_a_dilated_hull_more():
    plain = head_weights(half_ring(0.5), SIZE, **PLAIN).mean()
    flat = head_weights(half_ring(0.5), SIZE, **{**PLAIN, "crown": 0.0}).mean()
    grown = head_weights(half_ring(0.5), SIZE, **{**PLAIN, "dilation": 0.1}).mean()
    assert flat == pytest.approx(plain.item() / 2, rel=0.06)
    assert grown == pytest.approx(math.pi * 0.6**2 / 4, rel=0.03)


def test_weights_fall_softly_from_one_to_the_floor():
    weights = head_weights(half_ring(0.4), SIZE, crown=1.0, dilation=0.0, softness=0.4, floor=0.25)
    row = weights[0, 0, SIZE // 2, SIZE // 2 :]
    assert (row.diff() <= 0).all()
    assert weights.max() == 1 and weights.min() == 0.25
    # half of the way out, half of the way down: at radius 0.6 the weight is 0.625
    assert row[int(0.6 * SIZE / 2)] == pytest.approx(0.625, abs=0.04)


def test_weights_follow_the_head():
    soft = {**PLAIN, "softness": 0.2}
    here = head_weights(half_ring(0.3), SIZE, **soft)
    there = head_weights(half_ring(0.3, (0.25, -0.125)), SIZE, **soft)
    torch.testing.assert_close(here.roll((-4, 8), dims=(-2, -1)), there, atol=1e-5, rtol=0)


def test_doubtful_landmarks_leave_the_picture_as_it_is():
    both = torch.cat((half_ring(0.3), half_ring(0.3))).requires_grad_()
    weights = head_weights(both, SIZE, valid=torch.tensor([True, False]), **PLAIN)
    assert weights[0].mean() < 0.1 and (weights[1] == 1).all()
    assert not weights.requires_grad


def test_weighted_mean_is_the_plain_one_under_equal_weights():
    values = torch.rand(2, 3, 8, 8)
    assert weighted_mean(values) == values.mean()
    torch.testing.assert_close(
        weighted_mean(values, torch.full((2, 1, 32, 32), 0.2)), values.mean()
    )
    left = torch.zeros(2, 1, 16, 16)
    left[..., :8] = 3.0
    torch.testing.assert_close(weighted_mean(values, left), values[..., :4].mean())
    assert weighted_mean(values, torch.zeros(2, 1, 8, 8)) == 0
