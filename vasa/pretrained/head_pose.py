"""Head pose from 3D landmarks: the similarity that carries a rigid face template onto them.

The template (`assets/face_template.npz`) is the mean of the landmark network's own output over
many people, brought to one pose and made symmetric; `data_prep/face_template.py` derives it. Its
origin lies between the ears at nose-bridge height, its unit is half the side of a face crop, and
its weights are small where faces move (lips, jaw, lids).
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vasa.geometry.rotation import angles_from_rotation
from vasa.pretrained.landmarks import NUM_MESH

TEMPLATE_FILE = Path(__file__).parent / "assets" / "face_template.npz"


@dataclass(frozen=True, kw_only=True)
class HeadFit:
    """p_picture = scale * R @ p_head + translation, in pixels.

    Attributes:
        rotation: R, `b 3 3`.
        scale: pixels a head unit, `b`.
        translation: the head's origin in the picture, `b 3`.
    """

    rotation: Tensor
    scale: Tensor
    translation: Tensor

    def to_head(self, points: Tensor) -> Tensor:
        """Points `b n 3` in pixels, in the head's own frame and unit."""
        return (points - self.translation[:, None]) @ self.rotation / self.scale[:, None, None]

    def pose(self, *, centre: Tensor, side: Tensor) -> Tensor:
        """The pose as seen in a square crop without roll.

        Args:
            centre: the crop's centre in pixels, `b 2`.
            side: its side in pixels, `b`.

        Returns:
            yaw, pitch, roll (rad), tx, ty (half crops), log scale, `b 6`.
        """
        half = side / 2
        shift = (self.translation[:, :2] - centre) / half[:, None]
        log_scale = (self.scale / half).log()
        return torch.cat((angles_from_rotation(self.rotation), shift, log_scale[:, None]), dim=-1)


@cache
def face_template() -> tuple[Tensor, Tensor]:
    """Template points `468 3` in head coordinates, and their weights `468` (sum 1)."""
    with np.load(TEMPLATE_FILE) as arrays:
        weights = torch.from_numpy(arrays["weights"]).float()
        return torch.from_numpy(arrays["points"]).float(), weights / weights.sum()


def fit_similarity(template: Tensor, weights: Tensor, points: Tensor) -> HeadFit:
    """Weighted least-squares similarity (Umeyama 1991) of a template onto points.

    min over s, R, t of  sum_n w_n || s R template_n + t - points_n ||^2

    Args:
        template: `n 3`.
        weights: `n`, sum 1.
        points: `b n 3`.
    """
    template_mean = weights @ template
    centred = template - template_mean
    mean = torch.einsum("n,bnd->bd", weights, points)
    offset = points - mean[:, None]
    covariance = torch.einsum("n,bni,nj->bij", weights, offset, centred)
    left, spread, right = torch.linalg.svd(covariance)
    sign = torch.ones_like(spread)
    sign[:, 2] = torch.sign(torch.linalg.det(left) * torch.linalg.det(right))
    rotation = (left * sign[:, None]) @ right
    scale = (spread * sign).sum(dim=-1) / (weights @ centred.square().sum(dim=-1))
    translation = mean - scale[:, None] * torch.einsum("bij,j->bi", rotation, template_mean)
    return HeadFit(rotation=rotation, scale=scale, translation=translation)


def fit_head(landmarks: Tensor) -> HeadFit:
    """The head's pose from landmarks `b 478 3` in pixels (depth in the same unit)."""
    template, weights = (item.to(landmarks) for item in face_template())
    return fit_similarity(template, weights, landmarks[:, :NUM_MESH])
