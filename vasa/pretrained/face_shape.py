"""Mouth, gaze and blink from landmarks and blendshapes."""

import torch
from torch import Tensor

from vasa.pretrained.landmarks import (
    BLENDSHAPES,
    INNER_LIP_BOTTOM,
    INNER_LIP_TOP,
    LEFT_EYE_INNER,
    LEFT_EYE_OUTER,
    LEFT_IRIS,
    MOUTH_CORNER_LEFT,
    MOUTH_CORNER_RIGHT,
    RIGHT_EYE_INNER,
    RIGHT_EYE_OUTER,
    RIGHT_IRIS,
)

EYEBALL_RADIUS = 0.4
"""Radius of an eyeball over the length of its slit: about 12 mm over 30 mm."""
REST_PUPIL_HEIGHT = -0.075
"""Pupil above the line of the eye's corners, in slit lengths, looking straight: the mean over
talking people who look about level."""


def mouth_shape(landmarks: Tensor) -> Tensor:
    """Mouth opening and width over the outer-eye-corner distance.

    Opening: inner lips, points 13 and 14; width: outer corners, points 61 and 291; eyes: points 33
    and 263. Distances in 3D, so that they do not change as the head turns.

    Args:
        landmarks: `b 478 3`, any unit.

    Returns:
        opening, width, `b 2`.
    """
    eyes = _distance(landmarks, RIGHT_EYE_OUTER, LEFT_EYE_OUTER)
    opening = _distance(landmarks, INNER_LIP_TOP, INNER_LIP_BOTTOM)
    width = _distance(landmarks, MOUTH_CORNER_RIGHT, MOUTH_CORNER_LEFT)
    return torch.stack((opening, width), dim=-1) / eyes[:, None]


def gaze_angles(head_landmarks: Tensor) -> Tensor:
    """Where the eyes look, relative to the head: the pupil's offset on a sphere.

        sin(theta) = -dx / r,  sin(phi) = dy / r

    with the pupil's offset (dx, dy) from the middle of the eye's corners, in slit lengths, mean of
    both eyes. A geometric estimate with no training behind it: phi follows the lids, so that blinks
    show in it.

    Args:
        head_landmarks: `b 478 3` in the head's own frame.

    Returns:
        theta, phi (rad), `b 2`: theta > 0 to picture left, phi > 0 down.
    """
    offsets = []
    for outer, inner, iris in (
        (RIGHT_EYE_OUTER, RIGHT_EYE_INNER, RIGHT_IRIS),
        (LEFT_EYE_OUTER, LEFT_EYE_INNER, LEFT_IRIS),
    ):
        slit = _distance(head_landmarks, outer, inner)
        middle = (head_landmarks[:, outer] + head_landmarks[:, inner]) / 2
        offsets.append((head_landmarks[:, iris] - middle) / slit[:, None])
    offset = (offsets[0] + offsets[1]) / 2
    theta = torch.asin((-offset[:, 0] / EYEBALL_RADIUS).clamp(-0.99, 0.99))
    phi = torch.asin(((offset[:, 1] - REST_PUPIL_HEIGHT) / EYEBALL_RADIUS).clamp(-0.99, 0.99))
    return torch.stack((theta, phi), dim=-1)


def blink_amount(blendshapes: Tensor) -> Tensor:
    """0 open to 1 closed, `b`: the mean of both eyes' blendshapes `b 52`."""
    return (
        blendshapes[:, BLENDSHAPES["blink_left"]] + blendshapes[:, BLENDSHAPES["blink_right"]]
    ) / 2


def _distance(points: Tensor, first: int, second: int) -> Tensor:
    return (points[:, first] - points[:, second]).norm(dim=-1)
