"""Head rotation: one order, one sign convention, one home.

Axes: x right, y down, z forward (away from the viewer); a face looks towards -z.
Order: R = R_z(roll) R_y(yaw) R_x(pitch), mapping head coordinates to the picture's.
Worked example: yaw = +90 degrees takes the nose (0, 0, -1) to (-1, 0, 0), picture left;
pitch = +90 degrees takes it to (0, 1, 0), down; roll > 0 turns clockwise in the picture.
"""

import torch
from torch import Tensor


def rotation_from_angles(angles: Tensor) -> Tensor:
    """Rotation matrices of yaw, pitch and roll.

    Args:
        angles: yaw, pitch, roll in radians, `... 3`.

    Returns:
        R = R_z(roll) R_y(yaw) R_x(pitch), `... 3 3`.
    """
    cos_y, cos_p, cos_r = angles.cos().unbind(-1)
    sin_y, sin_p, sin_r = angles.sin().unbind(-1)
    rows = (
        cos_r * cos_y,
        cos_r * sin_y * sin_p - sin_r * cos_p,
        cos_r * sin_y * cos_p + sin_r * sin_p,
        sin_r * cos_y,
        sin_r * sin_y * sin_p + cos_r * cos_p,
        sin_r * sin_y * cos_p - cos_r * sin_p,
        -sin_y,
        cos_y * sin_p,
        cos_y * cos_p,
    )
    return torch.stack(rows, dim=-1).reshape(*angles.shape[:-1], 3, 3)


def angles_from_rotation(rotation: Tensor) -> Tensor:
    """Yaw, pitch, roll of a rotation matrix `... 3 3`; the inverse away from yaw = +-90 degrees."""
    yaw = torch.asin((-rotation[..., 2, 0]).clamp(-1, 1))
    pitch = torch.atan2(rotation[..., 2, 1], rotation[..., 2, 2])
    roll = torch.atan2(rotation[..., 1, 0], rotation[..., 0, 0])
    return torch.stack((yaw, pitch, roll), dim=-1)


def rotation_angle_between(first: Tensor, second: Tensor) -> Tensor:
    """Geodesic angle (rad) between rotations `... 3 3`: arccos((trace(R1^T R2) - 1) / 2)."""
    trace = (first * second).sum(dim=(-2, -1))
    return torch.acos(((trace - 1) / 2).clamp(-1, 1))
