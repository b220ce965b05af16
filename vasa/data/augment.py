"""Augmentation of the dynamics encoder's view: it spoils identity and pose, not expression."""

from functools import lru_cache

import torch
from einops import rearrange
from torch import Tensor


def thin_plate_flow(
    generator: torch.Generator, *, batch: int, size: int, knots: int, amplitude: float
) -> Tensor:
    """A random thin-plate-spline displacement of a picture (MegaPortraits sec. 3.1).

    Control points on a square lattice are moved at random; between them the displacement is the
    spline of least bending. Unspecified in the paper: their number and how far they move.

    Args:
        generator: source of randomness, on the CPU.
        batch: pictures.
        size: pixels a side.
        knots: control points a side, from edge to edge.
        amplitude: standard deviation of a control point's displacement, half pictures.

    Returns:
        Offsets of a sampling grid, `b size size 2`.
    """
    moves = torch.randn(batch, knots * knots, 2, generator=generator) * amplitude
    return rearrange(_spline_of(size, knots) @ moves, "b (h w) xy -> b h w xy", h=size)


@lru_cache(maxsize=8)
def _spline_of(size: int, knots: int) -> Tensor:
    """From control points to the pixels of a picture."""
    return thin_plate_spline(lattice(size, margin=1 / size), lattice(knots, margin=0.0))


def lattice(count: int, *, margin: float) -> Tensor:
    """count x count points (x, y) of [-1, 1], the outer ones `margin` inside of it, `n 2`."""
    line = torch.linspace(margin - 1, 1 - margin, count, dtype=torch.float64)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack((x, y), dim=-1).flatten(0, 1)


def thin_plate_spline(places: Tensor, knots: Tensor) -> Tensor:
    """The matrix from values at knots to those of their thin-plate spline elsewhere.

        f(p) = sum_k w_k U(|p - q_k|) + a_0 + a . p,  U(r) = r^2 log r,
        f(q_k) = v_k,  sum_k w_k = 0,  sum_k w_k q_k = 0

    (Bookstein 1989, Principal warps, eq. 8 to 12): linear in the values v.

    Args:
        places: `n 2`.
        knots: three or more that are not on a line, `k 2`.

    Returns:
        `n k`, float32.
    """

    def basis(points: Tensor) -> Tensor:
        square = (points[:, None] - knots[None]).square().sum(-1)
        bent = 0.5 * torch.xlogy(square, square)
        return torch.cat((bent, torch.ones_like(points[:, :1]), points), dim=1)

    rows = basis(knots)
    affine = rows[:, len(knots) :]
    below = torch.cat((affine.T, affine.new_zeros(3, 3)), dim=1)
    solved = torch.linalg.inv(torch.cat((rows, below)))[:, : len(knots)]
    return (basis(places) @ solved).float()


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
