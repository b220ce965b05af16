"""Changes of light, colour, sharpness and noise that no label depends on.

Generated pictures are softer and differently coloured than camera frames; networks that measure
them are trained on pictures changed in these ways. One draw a row: all frames of a clip change
alike. Shapes: `b t c h w`, RGB in [0, 1]; a single picture is a clip of one frame.
"""

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional


def uniform(*shape: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Uniform draws between `low` and `high`."""
    return torch.rand(*shape, generator=generator) * (high - low) + low


def jitter_colour(clip: Tensor, *, strength: float, generator: torch.Generator) -> Tensor:
    """Random brightness, contrast, saturation and white balance.

    Args:
        clip: `b t 3 h w`.
        strength: largest relative change of each; 0 changes nothing.
        generator: source of the draws.
    """
    rows = len(clip)

    def factor(channels: int, scale: float) -> Tensor:
        shape = (rows, 1, channels, 1, 1)
        return uniform(*shape, low=1 - scale, high=1 + scale, generator=generator).to(clip)

    mean = clip.mean(dim=(1, 2, 3, 4), keepdim=True)
    clip = (clip - mean) * factor(1, strength) + mean * factor(1, strength)
    grey = clip.mean(dim=2, keepdim=True)
    clip = grey + (clip - grey) * factor(1, strength)
    return (clip * factor(3, strength / 3)).clamp(0, 1)


def soften(
    clip: Tensor, *, max_sigma_px: float, share: float, generator: torch.Generator
) -> Tensor:
    """Gaussian blur of a random width, on a random share of the rows.

    Args:
        clip: `b t c h w`.
        max_sigma_px: largest standard deviation.
        share: probability that a row is blurred.
        generator: source of the draws.
    """
    rows, frames = clip.shape[:2]
    sigma = uniform(rows, low=0.2, high=max_sigma_px, generator=generator)
    chosen = torch.rand(rows, generator=generator) < share
    if not bool(chosen.any()):
        return clip
    radius = max(1, round(2.5 * max_sigma_px))
    offsets = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-0.5 * (offsets / sigma[chosen, None]) ** 2)
    kernel = (kernel / kernel.sum(-1, keepdim=True)).to(clip)
    flat = rearrange(clip[chosen.to(clip.device)], "b t c h w -> (t c) b h w")
    flat = functional.pad(flat, (radius,) * 4, mode="replicate")
    groups = len(kernel)
    flat = functional.conv2d(flat, kernel[:, None, :, None], groups=groups)
    flat = functional.conv2d(flat, kernel[:, None, None, :], groups=groups)
    blurred = clip.clone()
    blurred[chosen] = rearrange(flat, "(t c) b h w -> b t c h w", t=frames)
    return blurred


def lower_resolution(
    clip: Tensor, *, factor: float, share: float, generator: torch.Generator
) -> Tensor:
    """Shrink by `factor` and enlarge again, on a random share of the rows; `b t c h w`."""
    chosen = (torch.rand(len(clip), generator=generator) < share).to(clip.device)
    if not bool(chosen.any()):
        return clip
    height, width = clip.shape[-2:]
    small = (round(height / factor), round(width / factor))
    flat = rearrange(clip[chosen], "b t c h w -> (b t) c h w")
    flat = functional.interpolate(flat, small, mode="bilinear", antialias=True)
    flat = functional.interpolate(flat, (height, width), mode="bilinear")
    changed = clip.clone()
    changed[chosen] = rearrange(flat, "(b t) c h w -> b t c h w", t=clip.shape[1])
    return changed


def add_noise(clip: Tensor, *, max_std: float, generator: torch.Generator) -> Tensor:
    """Gaussian pixel noise of a random strength; `b t c h w`."""
    std = uniform(len(clip), 1, 1, 1, 1, low=0, high=max_std, generator=generator)
    noise = torch.randn(clip.shape, generator=generator) * std
    return (clip + noise.to(clip)).clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class Photometric:
    """All of these changes, one after the other.

    Attributes:
        colour_strength: of the colour jitter.
        max_blur_px: widest Gaussian blur.
        softened_share: share of clips blurred; half as many are lowered in resolution.
        max_noise: strongest pixel noise.
    """

    colour_strength: float
    max_blur_px: float
    softened_share: float
    max_noise: float

    def __call__(self, clip: Tensor, generator: torch.Generator) -> Tensor:
        """`b t 3 h w` to the same shape."""
        share = self.softened_share
        clip = jitter_colour(clip, strength=self.colour_strength, generator=generator)
        clip = soften(clip, max_sigma_px=self.max_blur_px, share=share, generator=generator)
        clip = lower_resolution(clip, factor=2, share=share / 2, generator=generator)
        return add_noise(clip, max_std=self.max_noise, generator=generator)
