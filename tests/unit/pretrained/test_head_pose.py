"""The template fit gives back known poses, and its signs are the contract's."""

import math

import pytest
import torch

from vasa.geometry.rotation import rotation_from_angles
from vasa.pretrained.face_shape import gaze_angles, mouth_shape
from vasa.pretrained.head_pose import face_template, fit_head, fit_similarity
from vasa.pretrained.identity import CHIP_POINTS, CHIP_SIZE, chip_squares
from vasa.pretrained.landmarks import (
    CHIN,
    FOREHEAD,
    IBUG68,
    LEFT_EYE_OUTER,
    NUM_LANDMARKS,
    RIGHT_EYE_OUTER,
    ibug68,
    landmark_squares,
)


def _landmarks(angles_deg, *, scale=100.0, shift=(160.0, 120.0, 5.0)):
    """The template itself, posed; irises in the middle of the eyes."""
    template, _ = face_template()
    irises = torch.zeros(NUM_LANDMARKS - len(template), 3)
    irises[0] = (template[33] + template[133]) / 2
    irises[5] = (template[263] + template[362]) / 2
    points = torch.cat((template, irises))
    rotation = rotation_from_angles(torch.deg2rad(torch.tensor([angles_deg])))
    return scale * points @ rotation.mT + torch.tensor(shift), points


@pytest.mark.parametrize(
    "angles", [(0.0, 0.0, 0.0), (40.0, 0.0, 0.0), (0.0, -25.0, 0.0), (-30.0, 20.0, 15.0)]
)
def test_known_pose_comes_back(angles):
    landmarks, _ = _landmarks(angles)
    fit = fit_head(landmarks)
    centre, side = torch.tensor([[150.0, 100.0]]), torch.tensor([200.0])
    pose = fit.pose(centre=centre, side=side)[0]
    expected = [math.radians(value) for value in angles] + [0.1, 0.2, 0.0]
    torch.testing.assert_close(pose, torch.tensor(expected), atol=2e-4, rtol=0)
    points = fit.to_head(landmarks)[0]
    torch.testing.assert_close(points, _landmarks((0.0,) * 3)[1], atol=1e-4, rtol=0)


def test_a_mirrored_face_flips_yaw_and_roll_and_shift():
    angles = (20.0, 10.0, -8.0)
    landmarks, _ = _landmarks(angles, shift=(130.0, 110.0, 0.0))
    template, weights = face_template()
    mirrored = landmarks * torch.tensor([-1.0, 1.0, 1.0]) + torch.tensor([200.0, 0.0, 0.0])
    # the mirror image of the symmetric template, point by point with its partner
    partner = (
        ((template * torch.tensor([-1.0, 1.0, 1.0]))[:, None] - template[None])
        .square()
        .sum(dim=-1)
        .argmin(dim=1)
    )
    fit = fit_similarity(template, weights, mirrored[:, : len(template)][:, partner])
    pose = fit.pose(centre=torch.tensor([[100.0, 100.0]]), side=torch.tensor([200.0]))[0]
    expected = [math.radians(value) for value in (-20.0, 10.0, 8.0)] + [-0.3, 0.1, 0.0]
    torch.testing.assert_close(pose, torch.tensor(expected), atol=2e-3, rtol=0)


def test_signs_are_the_contracts():
    nose = 4
    frontal = _landmarks((0.0, 0.0, 0.0))[0][0]
    assert _landmarks((30.0, 0.0, 0.0))[0][0, nose, 0] < frontal[nose, 0] - 10  # picture left
    assert _landmarks((0.0, 30.0, 0.0))[0][0, nose, 1] > frontal[nose, 1] + 10  # nods down
    rolled = _landmarks((0.0, 0.0, 30.0))[0][0]
    assert rolled[LEFT_EYE_OUTER, 1] > rolled[RIGHT_EYE_OUTER, 1] + 10  # clockwise


def test_weights_count():
    """Points of weight zero may go anywhere."""
    template = torch.rand(20, 3)
    weights = torch.cat((torch.full((15,), 1 / 15), torch.zeros(5)))
    points = 3 * template[None] + 7
    points[:, 15:] = 1e3 * torch.rand(1, 5, 3)
    fit = fit_similarity(template, weights, points)
    torch.testing.assert_close(fit.rotation[0], torch.eye(3), atol=1e-4, rtol=0)
    assert fit.scale[0] == pytest.approx(3, rel=1e-4)


def test_template_is_symmetric_centred_and_sized_for_the_crop():
    template, weights = face_template()
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    assert template[[FOREHEAD, CHIN, 168, 4], 0].abs().max() < 1e-3
    assert template[168, 1] == pytest.approx(0, abs=1e-4)
    assert (template[CHIN, 1] - template[FOREHEAD, 1]) / 2 == pytest.approx(0.58, abs=1e-3)
    assert template[:, 2].argmin() in (1, 4)  # the tip of the nose is nearest


def test_mouth_shape_does_not_turn_with_the_head():
    frontal, _ = _landmarks((0.0, 0.0, 0.0))
    turned, _ = _landmarks((35.0, -15.0, 10.0), scale=42.0)
    torch.testing.assert_close(mouth_shape(frontal), mouth_shape(turned), atol=1e-4, rtol=0)
    opened = frontal.clone()
    eyes = (frontal[0, 33] - frontal[0, 263]).norm()
    opened[0, 14] = frontal[0, 13] + torch.tensor([0.0, 0.25, 0.0]) * eyes
    assert mouth_shape(opened)[0, 0] == pytest.approx(0.25, abs=1e-4)


def test_gaze_signs():
    _, points = _landmarks((0.0, 0.0, 0.0))
    left = points.clone()
    left[[468, 473], 0] -= 0.02
    down = points.clone()
    down[[468, 473], 1] += 0.02
    rest = gaze_angles(points[None])[0]
    assert gaze_angles(left[None])[0, 0] > rest[0] + 0.1
    assert gaze_angles(down[None])[0, 1] > rest[1] + 0.1
    assert rest[0].abs() < 1e-3


def test_ibug68_takes_mouth_corners_and_chin():
    assert len(set(IBUG68)) == 68
    points = ibug68(torch.arange(NUM_LANDMARKS)[:, None])[:, 0]
    assert points[[8, 36, 45, 48, 54, 62, 66]].tolist() == [152, 33, 263, 61, 291, 13, 14]


def test_landmark_square_of_a_rolled_face():
    landmarks, _ = _landmarks((0.0, 0.0, 20.0))
    square = landmark_squares(landmarks, scale=1.4)
    assert square.roll[0] == pytest.approx(math.radians(20.0), abs=1e-3)


def test_chip_square_maps_landmarks_onto_the_chip():
    chip = torch.tensor(list(CHIP_POINTS.values())) + 0.5
    angle, scale = 0.3, 0.7
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    landmarks = torch.zeros(1, NUM_LANDMARKS, 2)
    landmarks[0, list(CHIP_POINTS)] = scale * chip @ turn.mT + torch.tensor([11.0, -4.0])
    back = chip_squares(landmarks).from_picture(landmarks[:, list(CHIP_POINTS)]) * CHIP_SIZE
    torch.testing.assert_close(back[0], chip, atol=1e-2, rtol=0)
