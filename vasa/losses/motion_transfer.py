"""What a result's motion must measure as, when pose and dynamics come from different frames."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from vasa.losses.pose import pose_loss
from vasa.types import FaceMeasurements

FACE_UNITS = {"mouth": 0.04, "gaze": 0.1, "blink": 0.25}
"""Errors of mouth (eye distances), gaze (rad) and blink that count as one."""


@dataclass(frozen=True, kw_only=True)
class MotionTarget:
    """Labels that a result should show: `pose` `b 6`, `mouth` `b 2`, `gaze` `b 2`, `blink` `b`,
    and `valid` `b`, True where they count."""

    pose: Tensor
    mouth: Tensor
    gaze: Tensor
    blink: Tensor
    valid: Tensor


def _face_error(found: dict[str, Tensor], target: MotionTarget) -> Tensor:
    """Smooth L1 of mouth, gaze and blink in `FACE_UNITS`, sum of the three means."""
    total = target.valid.new_zeros(())
    for name, unit in FACE_UNITS.items():
        aim = getattr(target, name)
        errors = F.smooth_l1_loss(found[name] / unit, aim / unit, reduction="none")
        errors = errors.reshape(len(aim), -1).mean(-1)
        total = total + (errors * target.valid).sum() / target.valid.sum().clamp(min=1)
    return total


def motion_transfer_loss(measured: FaceMeasurements, target: MotionTarget) -> Tensor:
    """Smooth L1 of pose, mouth, gaze and blink as a frozen expert reads them off the result.

    Unspecified in the paper: VASA-1 asks that pose and dynamics be disentangled and that gaze
    follow (its consistency loss, MegaPortraits' gaze loss); this says it in measured quantities,
    for results that have no true picture: one person under another's motion, or one frame's pose
    with another's dynamics.
    """
    found = {name: getattr(measured, name) for name in FACE_UNITS}
    loss = pose_loss(measured.pose, target.pose, target.valid) + _face_error(found, target)
    return loss / (1 + len(FACE_UNITS))


def dynamics_loss(readout: Tensor, target: MotionTarget) -> Tensor:
    """Smooth L1 of mouth, gaze and blink read linearly off the dynamics code.

    Unspecified in the paper: the labels keep the small code on the face's motion from the start;
    the read-out is not part of the model.

    Args:
        readout: mouth 2, gaze 2, blink 1, `b 5`.
        target: labels.
    """
    found = {"mouth": readout[:, :2], "gaze": readout[:, 2:4], "blink": readout[:, 4]}
    return _face_error(found, target) / len(FACE_UNITS)
