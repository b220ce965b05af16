"""Mouth, gaze and blink from landmarks and blendshapes."""

import math

import numpy as np
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
VERTICAL_RADIUS = 0.25
"""What stands for it up and down: the network moves its pupil less that way than the eye's moves.

From 16 people (44 clips) who speak to a camera, so that their eyes turn against the head. Theta
undoes 0.69 of a yaw; for phi to undo as much of a nod, the radius must be 0.27 on one half of the
people and 0.22 on the other, or 0.15 if what phi follows pitch on rendered heads (without cause) is
taken off. Rendered heads' own gaze asks for 0.09: their lids hardly follow the eyes, people's do.
So phi more likely reads too little than too much."""
REST_PUPIL_HEIGHT = -0.075
"""Pupil above the line of the eye's corners, in slit lengths, looking straight: the mean over
talking people who look about level."""
MAX_PHI = math.radians(40)
"""No eye turns further up or down; pupils of shut eyes are guessed to."""
BLENDSHAPE_OPEN, BLENDSHAPE_SHUT = 0.05, 0.65
"""The blink blendshape of open and of shut eyes.

Rendered heads: 0.01 open, 0.67 shut. Real people: 0.05 at the lower quartile of all frames, 0.10 at
the median (eyes that look down read more), 0.63 at the median peak of 64 blinks."""
HALF_SHUT = 0.5
"""Blink from which nobody sees where an eye looks: the pupil's landmark sinks with the lid."""


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

        sin(theta) = -dx / r,  sin(phi) = (dy - rest) / r_vertical

    with the pupil's offset (dx, dy) from the middle of the eye's corners, in slit lengths, mean of
    both eyes. A geometric estimate of open eyes with no training behind it: as lids close, phi
    sinks with them; see `level_while_shut` and `held_while_shut`.

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
    limit = math.sin(MAX_PHI)
    phi = torch.asin(((offset[:, 1] - REST_PUPIL_HEIGHT) / VERTICAL_RADIUS).clamp(-limit, limit))
    return torch.stack((theta, phi), dim=-1)


def level_while_shut(gaze: Tensor, blink: Tensor) -> Tensor:
    """Gaze of frames on their own: phi is 0 where the eyes are half shut or more.

    Theta stays as measured; setting it to 0 there would be no nearer to the truth.

    Args:
        gaze: theta, phi (rad), `b 2`.
        blink: 0 open to 1 closed, `b`.
    """
    phi = torch.where(blink < HALF_SHUT, gaze[:, 1], 0.0)
    return torch.stack((gaze[:, 0], phi), dim=-1)


def held_while_shut(gaze: Tensor, blink: Tensor) -> Tensor:
    """Gaze of a clip: from frame to frame, led straight over those where the eyes are half shut.

    One frame to either side is led over too: there the lids already move. A clip without any open
    eye is left to `level_while_shut`.

    Args:
        gaze: theta, phi (rad) of successive frames, `t 2`.
        blink: 0 open to 1 closed, `t`.
    """
    shut = np.pad((blink >= HALF_SHUT).numpy(), 1)
    seen = np.flatnonzero(~(shut[:-2] | shut[1:-1] | shut[2:]))
    if not len(seen):
        return level_while_shut(gaze, blink)
    times, known = np.arange(len(gaze)), gaze.numpy()
    held = [np.interp(times, seen, known[seen, i]) for i in range(2)]
    return torch.from_numpy(np.stack(held, axis=-1)).to(gaze)


def blink_amount(blendshapes: Tensor) -> Tensor:
    """0 open to 1 closed, `b`: the mean of both eyes' blendshapes `b 52`, stretched to its range.

    Not linear in the lid: an eye that is half closed reads about 0.2.
    """
    both = blendshapes[:, [BLENDSHAPES["blink_left"], BLENDSHAPES["blink_right"]]].mean(dim=-1)
    return ((both - BLENDSHAPE_OPEN) / (BLENDSHAPE_SHUT - BLENDSHAPE_OPEN)).clamp(0, 1)


def _distance(points: Tensor, first: int, second: int) -> Tensor:
    return (points[:, first] - points[:, second]).norm(dim=-1)
