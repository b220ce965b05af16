import pytest
import torch

from vasa.evaluation.drift import motion_drift


def wandering(minutes: int, *, dims: int = 40) -> torch.Tensor:
    """Motion that keeps returning to its mean, with a memory of about half a second."""
    noise = torch.randn((minutes * 1500, dims), generator=torch.Generator().manual_seed(0))
    rows = [noise[0]]
    for row in noise[1:]:
        rows.append(0.92 * rows[-1] + 0.39 * row)
    return torch.stack(rows)


def test_motion_that_returns_does_not_drift():
    found = motion_drift(wandering(3), window_s=5)
    assert found.expected == pytest.approx(11 / 13)
    assert found.mean_inside == pytest.approx(found.expected, abs=0.06)
    assert found.std_inside == pytest.approx(found.expected, abs=0.06)
    assert found.largest_shift < 0.5 and found.scale == pytest.approx(1, abs=0.05)


def test_a_slow_shift_and_a_slow_growth_are_seen():
    motion = wandering(3)
    ramp = torch.linspace(0, 1, len(motion))[:, None]
    shifted = motion_drift(motion + 1.5 * ramp, window_s=5)
    assert shifted.mean_inside < 0.4 < 1 < shifted.largest_shift
    assert shifted.std_inside > 0.75
    grown = motion_drift(motion * (1 + ramp), window_s=5)
    assert grown.std_inside < 0.5 and grown.scale > 1.4


def test_a_stuck_end_is_seen():
    motion = wandering(2)
    motion[1500:] = motion[1500]
    found = motion_drift(motion, window_s=5)
    assert found.std_inside == 0 and found.scale < 0.01


def test_short_motion_is_refused():
    with pytest.raises(ValueError, match="120 s"):
        motion_drift(torch.zeros(2999, 3), window_s=5)
