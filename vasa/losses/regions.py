"""Weights of a picture's regions, from its landmarks."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vasa.losses.foreground import weighted_mean


@dataclass(frozen=True, kw_only=True)
class Region:
    """Parts of a face by their landmarks, each under a Gaussian ellipse.

    Attributes:
        parts: ranges of iBUG-68 landmarks.
        spread: radius of an ellipse over half of what its landmarks span.
        least: least radius before that, half pictures.
    """

    parts: tuple[slice, ...]
    spread: float
    least: float


MOUTH = Region(parts=(slice(48, 68),), spread=1.2, least=0.08)
EYES = Region(parts=(slice(36, 42), slice(42, 48)), spread=1.4, least=0.06)


def _blobs(landmarks: Tensor, size: int, region: Region) -> list[Tensor]:
    return [
        _blob(landmarks[:, part], size, spread=region.spread, least=region.least)
        for part in region.parts
    ]


def _blob(points: Tensor, size: int, *, spread: float, least: float) -> Tensor:
    """A Gaussian ellipse over landmarks `b n 2` in [-1, 1], `b 1 size size`, 1 in the middle."""
    low, high = points.amin(1), points.amax(1)
    centre = (low + high) / 2
    radius = ((high - low) / 2).clamp(min=least) * spread
    axis = (torch.arange(size, device=points.device) * 2 + 1) / size - 1
    x = (axis[None, :] - centre[:, :1]) / radius[:, :1]
    y = (axis[None, :] - centre[:, 1:]) / radius[:, 1:]
    return torch.exp(-(x.square()[:, None, :] + y.square()[:, :, None]))[:, None]


def region_weights(landmarks: Tensor, size: int, *, mouth: float, eyes: float) -> Tensor:
    """Pixel weights that stress mouth and eyes; their mean over a picture is 1.

    Unspecified in the paper: VASA-1 names no region weights. At few pixels a plain mean leaves
    the mouth, a fiftieth of the picture, blurred (the 500-fold eye and mouth L1 of EMOPortraits
    answers the same).

    Args:
        landmarks: iBUG-68 points in half pictures, `b 68 2`.
        size: pixels a side.
        mouth: weight added in the middle of the mouth, in units of the plain weight.
        eyes: the same for the eyes.

    Returns:
        `b 1 size size`.
    """
    lips, *_ = _blobs(landmarks, size, MOUTH)
    weights = 1 + mouth * lips
    for eye in _blobs(landmarks, size, EYES):
        weights = weights + eyes * eye
    return weights / weights.mean(dim=(-3, -2, -1), keepdim=True)


def region_error(result: Tensor, target: Tensor, landmarks: Tensor, region: Region) -> Tensor:
    """L1 within a region: sum w |x_hat - x| / sum w, with w the sum of its ellipses.

    A measurement, not a loss of its own: what `region_weights` stresses, by itself.

    Args:
        result: `b 3 h h`.
        target: `b 3 h h`.
        landmarks: the target's iBUG-68 points in half pictures, `b 68 2`.
        region: which.
    """
    weights = torch.stack(_blobs(landmarks, result.shape[-1], region)).sum(0)
    return weighted_mean((result.float() - target.float()).abs(), weights)
