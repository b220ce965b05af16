"""What a result's motion must measure as, when pose and dynamics come from different frames."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vasa.losses.expert import masked_smooth_l1, masked_squared_error
from vasa.losses.pose import pose_loss
from vasa.types import FaceMeasurements

FACE_UNITS = {"mouth": (0.04, 0.04), "gaze": (0.1, 0.05), "blink": (0.25,), "emotion": (0.12,) * 8}
"""Errors of mouth (eye distances), gaze (rad; eyes move half as far up and down), blink and the
weights of the emotions that count as one."""
NUM_FACE = sum(map(len, FACE_UNITS.values()))


@dataclass(frozen=True, kw_only=True)
class MotionTarget:
    """Labels that a result should show: `pose` `b 6`, `mouth` `b 2`, `gaze` `b 2`, `blink` `b`,
    `emotion` `b 8` and `valid` `b`, 1 where they count."""

    pose: Tensor
    mouth: Tensor
    gaze: Tensor
    blink: Tensor
    emotion: Tensor
    valid: Tensor


def _face_error(found: dict[str, Tensor], target: MotionTarget) -> Tensor:
    """Mean over the parts of the face of their errors in `FACE_UNITS`: smooth L1, of emotion half
    the square (`masked_squared_error` says why)."""
    valid = target.valid
    total = valid.new_zeros(())
    for name, value in found.items():
        aim = getattr(target, name).reshape(len(valid), -1)
        unit = aim.new_tensor(FACE_UNITS[name])
        error = masked_squared_error if name == "emotion" else masked_smooth_l1
        total = total + error(value.reshape(aim.shape) / unit, aim / unit, valid=valid)
    return total / len(found)


def motion_transfer_loss(measured: FaceMeasurements, target: MotionTarget) -> Tensor:
    """Errors of pose, mouth, gaze, blink and emotion as a frozen expert reads them off.

    Unspecified in the paper: VASA-1 asks that pose and dynamics be disentangled and that gaze
    follow (its consistency loss, MegaPortraits' gaze loss); this says it in measured quantities,
    for results that have no true picture: one person under another's motion, or one frame's pose
    with another's dynamics. What the expert does not read is left out.
    """
    found = {name: getattr(measured, name) for name in FACE_UNITS}
    found = {name: value for name, value in found.items() if value is not None}
    pose = pose_loss(measured.pose, target.pose, target.valid)
    return (pose + len(found) * _face_error(found, target)) / (1 + len(found))


def dynamics_loss(readout: Tensor, target: MotionTarget) -> Tensor:
    """Errors of mouth, gaze, blink and emotion read linearly off the dynamics code.

    Unspecified in the paper: the labels keep the small code on the face's motion from the start;
    the read-out is not part of the model.

    Args:
        readout: mouth 2, gaze 2, blink 1, emotion 8: `b 13`.
        target: labels.
    """
    parts = torch.split(readout, [len(unit) for unit in FACE_UNITS.values()], dim=1)
    return _face_error(dict(zip(FACE_UNITS, parts, strict=True)), target)
