"""Supervision of the pose code by the shard's labels."""

import torch
import torch.nn.functional as F
from torch import Tensor

POSE_UNITS = (0.1, 0.1, 0.1, 0.05, 0.05, 0.05)
"""Errors of yaw, pitch, roll (rad), tx, ty (half pictures), log scale that count as one."""


def pose_loss(pose: Tensor, label: Tensor, valid: Tensor) -> Tensor:
    """Smooth L1 in units of `POSE_UNITS`, over frames with valid labels.

    MegaPortraits takes its pose network from elsewhere, trained; here it learns from the labels
    of the preparation.

    Args:
        pose: `b 6`.
        label: `b 6`.
        valid: True where the label counts, `b`.
    """
    units = torch.tensor(POSE_UNITS, device=pose.device)
    errors = F.smooth_l1_loss(pose / units, label / units, reduction="none").mean(-1)
    return (errors * valid).sum() / valid.sum().clamp(min=1)


def landmark_loss(landmarks: Tensor, label: Tensor, valid: Tensor) -> Tensor:
    """Smooth L1 of the places that the pose is read from, in units of 0.05 half pictures.

    Args:
        landmarks: `b 68 2` in half pictures.
        label: `b 68 2`.
        valid: True where the label counts, `b`.
    """
    errors = F.smooth_l1_loss(landmarks / 0.05, label / 0.05, reduction="none").mean((-2, -1))
    return (errors * valid).sum() / valid.sum().clamp(min=1)
