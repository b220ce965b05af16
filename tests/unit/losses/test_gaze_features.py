"""The eyes' crops and their distance."""

import math

import pytest
import torch
import torch.nn.functional as F

from vasa.losses.gaze_features import eye_crops, gaze_feature_loss

EYE_MIDDLES = ((-0.3, -0.1), (0.3, -0.1))
EAR = (-0.8, 0.0)
SIZE = 96
CROPS = {"crop_px": 24, "reach": 0.35}


def landmarks(middles: tuple[tuple[float, float], ...] = EYE_MIDDLES) -> torch.Tensor:
    points = torch.zeros(1, 68, 2)
    around = torch.linspace(0, 2 * math.pi, 7)[:6]
    ring = 0.06 * torch.stack((around.cos(), 0.5 * around.sin()), dim=-1)
    for start, middle in zip((36, 42), middles, strict=True):
        points[0, start : start + 6] = torch.tensor(middle) + ring
    return points


def dots(*places: tuple[float, float], radius: float = 0.05) -> torch.Tensor:
    """Dark soft dots on a grey picture."""
    axis = (torch.arange(SIZE) * 2 + 1) / SIZE - 1
    picture = torch.full((SIZE, SIZE), 0.7)
    for x, y in places:
        distance = (axis[None, :] - x).square() + (axis[:, None] - y).square()
        picture = picture - 0.6 * torch.exp(-distance / radius**2)
    return picture.expand(1, 3, SIZE, SIZE).clone()


def features(image: torch.Tensor) -> list[torch.Tensor]:
    return [image, F.avg_pool2d(image, 2).diff(dim=-1)]


def loss(result: torch.Tensor, target: torch.Tensor) -> float:
    return gaze_feature_loss(result, target, landmarks(), features, **CROPS).item()


def test_crops_hold_each_eye_in_their_middle():
    picture = dots(*EYE_MIDDLES)
    picture[..., SIZE // 2 :] += 0.2  # the eye on the picture's right is brighter
    crops = eye_crops(picture, landmarks(), **CROPS)
    assert crops.shape == (2, 3, 24, 24)
    for crop in crops[:, 0]:
        assert divmod(int(crop.argmin()), 24)[0] in (11, 12)
        assert divmod(int(crop.argmin()), 24)[1] in (11, 12)
    assert crops[1].mean() > crops[0].mean() + 0.15


def test_a_roll_of_the_head_leaves_the_crops():
    angle = 0.4
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    places = (*EYE_MIDDLES, (-0.25, -0.05))  # a third dot, so that the picture has no symmetry
    turned = [tuple((turn @ torch.tensor(place)).tolist()) for place in places]
    upright = eye_crops(dots(*places), landmarks(), **CROPS)
    rolled = eye_crops(dots(*turned), landmarks() @ turn.T, **CROPS)
    assert (upright - rolled).abs().max() < 0.03
    assert (upright - eye_crops(dots(*turned), landmarks(), **CROPS)).abs().max() > 0.2


def test_a_profile_keeps_a_crop_of_some_size():
    picture = torch.rand(1, 3, SIZE, SIZE)
    near = eye_crops(picture, landmarks(((-0.3, 0.0), (-0.299, 0.0))), **CROPS)
    assert near.std() > 0.1  # not one pixel enlarged


def test_a_moved_eye_costs_more_than_a_moved_ear():
    target = dots(*EYE_MIDDLES, EAR)
    eye = dots((EYE_MIDDLES[0][0] + 0.04, EYE_MIDDLES[0][1]), EYE_MIDDLES[1], EAR)
    ear = dots(*EYE_MIDDLES, (EAR[0] + 0.04, EAR[1]))
    changed = [(picture - target).abs().mean().item() for picture in (eye, ear)]
    assert changed[0] == pytest.approx(changed[1], rel=0.2)
    assert loss(target, target) == 0
    assert loss(eye, target) > 0.02
    assert loss(ear, target) < 0.01 * loss(eye, target)


def test_further_and_shut_cost_more():
    target = dots(*EYE_MIDDLES)
    steps = [dots(*((x + move, y) for x, y in EYE_MIDDLES)) for move in (0.01, 0.03, 0.06)]
    losses = [loss(step, target) for step in steps]
    assert losses[0] < losses[1] < losses[2]
    assert loss(dots(), target) > losses[0]


def test_mirrored_pictures_cost_the_same():
    target = dots(*EYE_MIDDLES)
    moved = dots((EYE_MIDDLES[0][0] + 0.03, EYE_MIDDLES[0][1]), EYE_MIDDLES[1])
    assert loss(moved, target) == pytest.approx(
        gaze_feature_loss(moved.flip(-1), target.flip(-1), landmarks(), features, **CROPS).item(),
        rel=1e-3,
    )


def test_gradient_reaches_the_eyes_alone():
    result = dots(*EYE_MIDDLES).requires_grad_()
    points = landmarks().requires_grad_()
    target = dots((-0.27, -0.1), (0.33, -0.1))
    gaze_feature_loss(result, target, points, features, **CROPS).backward()
    assert result.grad is not None and points.grad is None
    rows = result.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    middle = (EYE_MIDDLES[0][1] + 1) / 2 * SIZE
    assert abs((rows.min() + rows.max()) / 2 - middle) < 1.5
    assert rows.max() - rows.min() < 0.25 * SIZE
