"""Blinks from 0 to 1, and gaze that blinks do not pull down."""

import math

import pytest
import torch

from vasa.pretrained.face_shape import (
    MAX_PHI,
    blink_amount,
    gaze_angles,
    held_while_shut,
    level_while_shut,
)
from vasa.pretrained.landmarks import BLENDSHAPES, NUM_LANDMARKS


def _eyes(*, left=0.0, down=0.0, slit=0.3):
    """Landmarks `1 478 3` of two eyes, the pupils so many slits off the middle of the corners."""
    points = torch.zeros(1, NUM_LANDMARKS, 3)
    for middle, outer, inner, iris in ((-0.3, 33, 133, 468), (0.3, 263, 362, 473)):
        away = math.copysign(slit / 2, middle)
        points[0, outer, 0], points[0, inner, 0] = middle + away, middle - away
        points[0, iris, :2] = torch.tensor([middle - left * slit, down * slit])
    return points


def test_a_pupil_just_above_the_corners_looks_straight():
    torch.testing.assert_close(gaze_angles(_eyes(down=-0.075)), torch.zeros(1, 2))


def test_the_same_angle_moves_the_pupil_less_up_and_down_than_sideways():
    step = 0.1
    theta = gaze_angles(_eyes(left=step, down=-0.075))[0, 0]
    phi = gaze_angles(_eyes(down=step - 0.075))[0, 1]
    assert torch.sin(theta) == pytest.approx(step / 0.4)
    assert torch.sin(phi) == pytest.approx(step / 0.25)


@pytest.mark.parametrize("slit", [0.1, 3.0])
def test_gaze_has_no_unit(slit):
    torch.testing.assert_close(
        gaze_angles(_eyes(left=0.1, down=0.05, slit=slit)), gaze_angles(_eyes(left=0.1, down=0.05))
    )


@pytest.mark.parametrize("down", [-1.0, 0.5])
def test_no_eye_looks_further_up_or_down_than_it_can(down):
    phi = gaze_angles(_eyes(down=down))[0, 1]
    assert phi.abs() == pytest.approx(MAX_PHI, abs=1e-4)
    assert phi.sign() == math.copysign(1, down)


def _blink(left, right):
    blendshapes = torch.zeros(1, 52)
    blendshapes[0, BLENDSHAPES["blink_left"]] = left
    blendshapes[0, BLENDSHAPES["blink_right"]] = right
    return float(blink_amount(blendshapes))


def test_blink_spans_zero_to_one():
    assert _blink(0.0, 0.04) == 0
    assert _blink(0.67, 0.67) == 1
    assert _blink(0.3, 0.4) == pytest.approx(0.5)
    rising = [_blink(value / 50, value / 50) for value in range(51)]
    assert rising == sorted(rising)


BLINK = torch.tensor([0.0, 0.1, 0.3, 0.6, 1.0, 0.7, 0.2, 0.0, 0.0])


def test_a_clip_keeps_its_gaze_through_a_blink():
    gaze = torch.stack((torch.linspace(0, 0.4, 9), torch.linspace(0.1, -0.1, 9)), dim=-1)
    dipped = gaze.clone()
    dipped[2:7] += torch.tensor([-0.2, 0.5])  # the half-open frames at either side as well
    torch.testing.assert_close(held_while_shut(dipped, BLINK), gaze)


def test_open_eyes_are_left_as_measured():
    gaze = torch.randn(9, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(held_while_shut(gaze, BLINK * 0.4), gaze, rtol=0, atol=0)
    torch.testing.assert_close(level_while_shut(gaze, BLINK * 0.4), gaze, rtol=0, atol=0)


def test_a_blink_at_the_edge_takes_the_nearest_open_frame():
    gaze = torch.tensor([[0.3, 0.6], [0.3, 0.6], [0.1, 0.2], [0.1, 0.1]])
    held = held_while_shut(gaze, torch.tensor([0.9, 0.1, 0.0, 0.0]))
    assert held.tolist() == gaze[[2, 2, 2, 3]].tolist()


def test_where_nothing_is_seen_gaze_is_level():
    gaze = torch.tensor([[0.3, 0.6], [0.2, 0.5], [-0.1, 0.4]])
    blink = torch.tensor([0.9, 0.2, 0.5])
    assert torch.equal(level_while_shut(gaze, blink), gaze * torch.tensor([[1, 0], [1, 1], [1, 0]]))
    assert torch.equal(held_while_shut(gaze, blink), level_while_shut(gaze, blink))
