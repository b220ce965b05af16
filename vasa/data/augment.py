"""Augmentation of the dynamics encoder's view: it spoils identity and pose, not expression."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor


def smooth_flow(
    generator: torch.Generator, *, batch: int, size: int, knots: int, amplitude: float
) -> Tensor:
    """A random smooth displacement of a picture, in the place of thin-plate splines.

    MegaPortraits warps the driver by random thin-plate splines; here random displacements at
    knots x knots points are interpolated bicubically, which spares the linear system.

    Args:
        generator: source of randomness, on the CPU.
        batch: pictures.
        size: pixels a side.
        knots: control points a side.
        amplitude: standard deviation of a knot's displacement, half pictures.

    Returns:
        Offsets of a sampling grid, `b size size 2`.
    """
    moves = torch.randn(batch, 2, knots, knots, generator=generator) * amplitude
    smooth = F.interpolate(moves, (size, size), mode="bicubic", align_corners=True)
    return rearrange(smooth, "b xy h w -> b h w xy")


def colour_jitter(image: Tensor, generator: torch.Generator, *, strength: float) -> Tensor:
    """Random colour mixing, contrast and brightness, the same over a picture.

    Args:
        image: `b 3 h w` in [0, 1].
        generator: source of randomness, on the CPU.
        strength: 0 leaves the picture as it is; 1 is strong.

    Returns:
        `b 3 h w` in [0, 1].
    """
    batch = len(image)
    mix = torch.eye(3) + 0.25 * strength * torch.randn(batch, 3, 3, generator=generator)
    contrast = torch.exp(0.3 * strength * torch.randn(batch, 1, 1, 1, generator=generator))
    brightness = 0.15 * strength * torch.randn(batch, 1, 1, 1, generator=generator)
    mixed = torch.einsum("b i c, b c h w -> b i h w", mix.to(image), image)
    mean = mixed.mean(dim=(1, 2, 3), keepdim=True)
    return ((mixed - mean) * contrast.to(image) + mean + brightness.to(image)).clamp(0, 1)
