"""Regularisers of the non-rigid warp fields, of sources and of drivers.

Unspecified in the paper: neither VASA-1 nor MegaPortraits names one. A field that learns from
pictures alone may fold, or carry the rigid motion that the pose should; EMOPortraits' code holds
an L1 on its fields for the same reason.
"""

import torch
from torch import Tensor

from vasa.geometry.warp import FAR, NEAR


def warp_magnitude_loss(field: Tensor) -> Tensor:
    """Mean |offset| over places and the three axes, in half volumes; of a residual, mean |value|.

    0 for the field that moves nothing. L1: a face that moves in few places costs no more than
    all of it moving a little.

    Args:
        field: offsets x, y, z in head units, `b 3 d h w`, or what is added there, `b c d h w`.
    """
    return field.float().abs().mean()


def warp_smoothness_loss(field: Tensor) -> Tensor:
    """Total variation of the field: mean |d offset / d place|, summed over the three directions.

    Differences of neighbours over their distance in head units, a strain, so that the size of
    the field does not change what its smoothness is worth. 0 for a constant field, s for the
    stretch x' = (1 + 3 s) x: the mean over the three components of which one changes.

    Args:
        field: as above.
    """
    depth, height, width = field.shape[2:]
    spacing = ((FAR - NEAR) / depth, 2 / height, 2 / width)
    total = field.new_zeros((), dtype=torch.float32)
    for axis, distance in zip((2, 3, 4), spacing, strict=True):
        if field.shape[axis] > 1:
            total = total + field.float().diff(dim=axis).abs().mean() / distance
    return total
