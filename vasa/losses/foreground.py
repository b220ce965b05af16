"""Weights of the foreground, without masks (MegaPortraits sec. 3.1: "only foreground regions")."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_JAW_ENDS = (0, 16)
_DIRECTIONS = 32


def weighted_mean(values: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean of a map under a weight map of any size; the plain mean without one.

        sum(w v) / sum(w), over batch, channels and places

    Args:
        values: `b c h w`.
        weights: at least 0, `b 1 h' w'`; carried to `h w` by the mean over each place's area.
    """
    if weights is None:
        return values.mean()
    carried = F.interpolate(weights.to(values.dtype), values.shape[-2:], mode="area")
    return (values * carried).sum() / (carried.sum() * values.shape[1]).clamp(min=1e-6)


def head_weights(
    landmarks: Tensor,
    size: int,
    *,
    crown: float,
    dilation: float,
    softness: float,
    floor: float,
    valid: Tensor | None = None,
) -> Tensor:
    """Weights that are 1 on the head and fall to `floor` behind it, from landmarks alone.

    The convex hull of the landmarks and of their reflection through the middle of the jaw's ends
    (the ears): what lies opposite the chin is the crown, opposite a profile's nose the back of the
    head. Unspecified in the paper: MegaPortraits' losses see the foreground alone, by matting;
    this needs no other network, keeps a little of the background (a floor above 0 leaves a
    gradient everywhere), and cuts long hair and shoulders.

    The hull of points p is met by its half-planes: the distance of x is the largest of
    n . x - max_p n . p over directions n (exact beside edges, a little short at corners).

    Args:
        landmarks: iBUG-68 points in half pictures, `b 68 2`.
        size: pixels a side.
        crown: length of the reflection; 1 is as far above the ears as the chin is under them.
        dilation: how far the hull is grown, half pictures.
        softness: width of the fall outside of it, half pictures, above 0.
        floor: weight of the background, in [0, 1].
        valid: True where the landmarks can be trusted, `b`; other pictures weigh 1 everywhere.

    Returns:
        Weights in [floor, 1], `b 1 size size`; no gradient.
    """
    points = landmarks.detach().float()
    middle = points[:, list(_JAW_ENDS)].mean(dim=1, keepdim=True)
    points = torch.cat((points, middle + crown * (middle - points)), dim=1)
    axis = (torch.arange(size, device=points.device) * 2 + 1) / size - 1
    distance = points.new_full((len(points), size, size), -math.inf)
    for step in range(_DIRECTIONS):  # one direction at a time: a map of all would be large
        angle = 2 * math.pi * step / _DIRECTIONS
        x, y = math.cos(angle), math.sin(angle)
        reach = (points[..., 0] * x + points[..., 1] * y).amax(dim=1)
        plane = axis[None, :] * x + axis[:, None] * y
        distance = torch.maximum(distance, plane - reach[:, None, None])
    share = (1 - (distance - dilation) / softness).clamp(0, 1)
    if valid is not None:
        share = torch.where(valid.bool()[:, None, None], share, torch.ones_like(share))
    return (floor + (1 - floor) * share)[:, None]
