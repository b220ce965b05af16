"""How far landmarks are off, in units of the face: where they stand (NME), and how lips move."""

import torch
from torch import Tensor

from vasa.evaluation.metrics.clip_metric import ClipMean
from vasa.evaluation.metrics.image import MOUTH_LANDMARKS

OUTER_EYE_CORNERS = (36, 45)
MIN_INTEROCULAR_PX = 1.0
"""Below it a face is seen from the side or not found at all, and no unit to measure in."""


def frame_nme(result: Tensor, target: Tensor) -> Tensor:
    """Normalised mean error of each frame, as 300-W scores it (Sagonas et al. 2016).

        NME = 100 mean_i |p_i - q_i| / |q_36 - q_45|

    Args:
        result: iBUG-68 points p in pixels, `t 68 2`.
        target: points q, whose outer eye corners give the unit, `t 68 2`.

    Returns:
        Percent of the inter-ocular distance, `t`.
    """
    first, second = OUTER_EYE_CORNERS
    result, target = result.double(), target.double()
    unit = (target[:, first] - target[:, second]).norm(dim=-1).clamp_min(MIN_INTEROCULAR_PX)
    return 100 * (result - target).norm(dim=-1).mean(dim=-1) / unit


class LandmarkNme(ClipMean):
    """Mean over clips of the mean frame NME, % of the inter-ocular distance.

    Both sets of landmarks should come from one detector, so that its own bias falls out. Range: 0
    up, lower is better. Source: 300-W (Sagonas et al. 2016).
    """

    higher_is_better = False

    def update(self, result: Tensor, target: Tensor) -> None:
        """Adds one clip: `t 68 2` px twice."""
        self.add_frames(frame_nme(result, target))


def in_eye_frame(landmarks: Tensor) -> Tensor:
    """Points seen from the eyes: outer corners at (0, 0) and (1, 0), whatever the head does.

        (p - p_36) / (p_45 - p_36), points taken for complex numbers

    Takes out where the head is, how large, and its roll; what yaw and pitch do to the picture of a
    face stays.

    Args:
        landmarks: iBUG-68 points in pixels, `t 68 2`.

    Returns:
        `t 68 2`, eye distances.
    """
    first, second = OUTER_EYE_CORNERS
    points = torch.view_as_complex(landmarks.double().contiguous())
    along = points[:, second] - points[:, first]
    short = along.abs().clamp_min(MIN_INTEROCULAR_PX)
    # conj(a) / |a|^2 is 1 / a, and stays finite where the eyes fall together.
    seen = (points - points[:, first, None]) * (along.conj() / short.square())[:, None]
    return torch.view_as_real(seen)


def lip_points(landmarks: Tensor) -> Tensor:
    """The lips of iBUG-68 points `t 68 2` seen from the eyes, `t 20 2`, eye distances."""
    return in_eye_frame(landmarks)[:, MOUTH_LANDMARKS]


class LipDistance(ClipMean):
    """LMD: mean |p_i - q_i| of lip points and the driver's, seen from the eyes.

    % of the eye distance, mean over points, frames, then clips. Both sets of landmarks should come
    from one detector. Range: 0 up, lower is better; the mean of all mouths, held still, scores
    well. Source: Chen et al. 2018 (LMD, there in pixels of aligned faces).
    """

    higher_is_better = False

    def update(self, result: Tensor, target: Tensor) -> None:
        """Adds one clip: `lip_points` twice, `t 20 2`; one without frames is left out."""
        self.add_frames(100 * (result - target).norm(dim=-1).mean(dim=-1))


class MouthVelocityError(ClipMean):
    """Mean |v_i - u_i| of the lip points' steps v from frame to frame and the driver's u.

    % of the eye distance a frame, seen from the eyes, mean over points, frames, then clips. Both
    sets of landmarks should come from one detector. Range: 0 up, lower is better; a still mouth
    scores the mean speed of the driver's lips: give that beside it. Source: D-V of MakeItTalk (Zhou
    et al. 2020), whose unit is the lips' width.
    """

    higher_is_better = False

    def update(self, result: Tensor, target: Tensor) -> None:
        """Adds one clip: `lip_points` twice, `t 20 2`; one of under two frames is left out."""
        steps = result.diff(dim=0) - target.diff(dim=0)
        self.add_frames(100 * steps.norm(dim=-1).mean(dim=-1))
