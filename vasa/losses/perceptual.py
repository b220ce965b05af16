"""Perceptual distance on the features of a frozen network (MegaPortraits sec. 3.1, L_per)."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Features = Callable[[Tensor], Sequence[Tensor]]


def perceptual_loss(result: Tensor, target: Tensor, features: Features) -> Tensor:
    """L1 between feature maps, each in units of the target's mean magnitude, mean over maps.

    The paper's is on VGG19 and VGGFace features; which network is used here is passed in and is
    named with the results.

    Args:
        result: `b 3 h w`; gradients flow through it.
        target: `b 3 h w`; none do.
        features: pictures to a list of maps.
    """
    with torch.no_grad():
        wanted = features(target)
    distances = [
        F.l1_loss(found.float(), aim.float()) / aim.float().abs().mean().clamp(min=1e-6)
        for found, aim in zip(features(result), wanted, strict=True)
    ]
    return torch.stack(distances).mean()
