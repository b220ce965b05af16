"""Volume refinement G3D, projection P, and the 2D generator G2D (MegaPortraits appendix A)."""

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from vasa.models.blocks import ResBlock, StandardConv2d, group_norm


class VolumeRefiner(nn.Module):
    """G3D: a small 3D U-Net on the canonical volume, with a residual to its input.

    Args:
        channels: channels of the volume.
        hidden: channels at half the resolution.
    """

    def __init__(self, *, channels: int, hidden: int) -> None:
        super().__init__()
        self.enter = ResBlock(in_channels=channels, out_channels=channels, dims=3)
        self.down = ResBlock(in_channels=channels, out_channels=hidden, dims=3)
        self.up = ResBlock(in_channels=hidden, out_channels=channels, dims=3)
        self.leave = ResBlock(in_channels=channels, out_channels=channels, dims=3)

    def forward(self, volume: Tensor) -> Tensor:
        """`b c d h w` to the same shape."""
        fine = self.enter(volume)
        coarse = self.up(self.down(F.avg_pool3d(fine, 2)))
        return self.leave(fine + F.interpolate(coarse, scale_factor=2, mode="nearest"))


class ImageGenerator(nn.Module):
    """P and G2D: depth is folded into channels (orthographic projection), then drawn.

    Args:
        in_channels: c x d of the volume.
        channels: width of each stage; each stage but the first doubles the side.
        blocks_per_stage: residual blocks a stage.
        last_scale: enlargement of the last convolution (pixel shuffle).
    """

    def __init__(
        self, *, in_channels: int, channels: list[int], blocks_per_stage: int, last_scale: int
    ) -> None:
        super().__init__()
        self.project = nn.Conv2d(in_channels, channels[0], 1)
        self.stages = nn.ModuleList()
        previous = channels[0]
        for width in channels:
            blocks = nn.ModuleList()
            for _ in range(blocks_per_stage):
                blocks.append(ResBlock(in_channels=previous, out_channels=width, dims=2))
                previous = width
            self.stages.append(blocks)
        self.norm = group_norm(previous)
        self.mix = StandardConv2d(previous, previous, 3, padding=1)
        self.last = nn.Conv2d(previous, 3 * last_scale**2, 3, padding=1)
        self.last_scale = last_scale

    def forward(self, volume: Tensor) -> Tensor:
        """Posed volume `b c d h w` to picture `b 3 h' w'` in [0, 1]."""
        x = self.project(rearrange(volume, "b c d h w -> b (c d) h w"))
        for index, stage in enumerate(self.stages):
            if index:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
            for block in stage:  # type: ignore[attr-defined]
                x = block(x)
        x = F.silu(self.mix(F.silu(self.norm(x))))
        return F.pixel_shuffle(self.last(x), self.last_scale).float().sigmoid()
