"""Rotations: the worked example, orthogonality, and the inverse."""

import math

import torch

from vasa.geometry.rotation import (
    angles_from_rotation,
    rotation_angle_between,
    rotation_from_angles,
)

NOSE = torch.tensor([0.0, 0.0, -1.0])
QUARTER = math.pi / 2


def test_worked_example():
    yawed = rotation_from_angles(torch.tensor([QUARTER, 0.0, 0.0])) @ NOSE
    pitched = rotation_from_angles(torch.tensor([0.0, QUARTER, 0.0])) @ NOSE
    rolled = rotation_from_angles(torch.tensor([0.0, 0.0, QUARTER])) @ torch.tensor([1.0, 0, 0])
    torch.testing.assert_close(yawed, torch.tensor([-1.0, 0.0, 0.0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(pitched, torch.tensor([0.0, 1.0, 0.0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(rolled, torch.tensor([0.0, 1.0, 0.0]), atol=1e-6, rtol=0)


def test_orthogonal_and_order():
    angles = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    rotation = rotation_from_angles(angles)
    identity = torch.eye(3).expand(20, 3, 3)
    torch.testing.assert_close(rotation @ rotation.mT, identity, atol=1e-5, rtol=0)
    parts = []
    for axis in (2, 0, 1):  # roll, yaw, pitch
        alone = torch.zeros(20, 3)
        alone[:, axis] = angles[:, axis]
        parts.append(rotation_from_angles(alone))
    torch.testing.assert_close(parts[0] @ parts[1] @ parts[2], rotation, atol=1e-5, rtol=0)


def test_angles_come_back():
    angles = torch.rand(50, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1
    torch.testing.assert_close(
        angles_from_rotation(rotation_from_angles(angles)), angles, atol=1e-5, rtol=0
    )


def test_angle_between_is_the_turn():
    first = rotation_from_angles(torch.tensor([0.2, 0.0, 0.0]))
    second = rotation_from_angles(torch.tensor([0.5, 0.0, 0.0]))
    assert abs(rotation_angle_between(first, second).item() - 0.3) < 1e-3
