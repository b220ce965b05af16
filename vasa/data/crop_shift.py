"""Moving and enlarging a face crop, together with the labels that say where the face is."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from vasa.data.photometric import uniform


@dataclass(frozen=True, kw_only=True)
class CropShift:
    """x' = scale x + shift in half pictures, a row each.

    Attributes:
        scale: `b`.
        shift: x and y, `b 2`.
    """

    scale: Tensor
    shift: Tensor


def draw_crop_shift(
    num_rows: int, *, max_log_scale: float, max_shift: float, generator: torch.Generator
) -> CropShift:
    """Random enlargement exp(+-max_log_scale) and shift of up to `max_shift` half pictures."""
    log_scale = uniform(num_rows, low=-max_log_scale, high=max_log_scale, generator=generator)
    shift = uniform(num_rows, 2, low=-max_shift, high=max_shift, generator=generator)
    return CropShift(scale=log_scale.exp(), shift=shift)


def shift_image(image: Tensor, crop: CropShift) -> Tensor:
    """Resample `b c h w`; what comes from beyond the edge repeats the edge."""
    rows = len(image)
    theta = torch.zeros(rows, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / crop.scale
    theta[:, :, 2] = -crop.shift / crop.scale[:, None]
    grid = functional.affine_grid(theta.to(image), list(image.shape), align_corners=False)
    return functional.grid_sample(image, grid, padding_mode="border", align_corners=False)


def shift_points(points: Tensor, crop: CropShift) -> Tensor:
    """Points in half pictures, `b n 2`."""
    return points * crop.scale.to(points)[:, None, None] + crop.shift.to(points)[:, None]


def shift_pose(pose: Tensor, crop: CropShift) -> Tensor:
    """Pose `b 6`: the translation moves with the picture, log scale adds up."""
    scale = crop.scale.to(pose)
    moved = pose[:, 3:5] * scale[:, None] + crop.shift.to(pose)
    return torch.cat((pose[:, :3], moved, pose[:, 5:] + scale.log()[:, None]), dim=1)
