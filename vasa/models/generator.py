"""Volume refinement G3D, projection P, and the 2D generator G2D (MegaPortraits appendix A)."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from vasa.models.blocks import ResBlock, group_norm


class VolumeRefiner(nn.Module):
    """G3D: 3D residual blocks at half the resolution, added to the canonical volume.

    Args:
        channels: channels of the volume.
        hidden: channels at half the resolution.
    """

    def __init__(self, *, channels: int, hidden: int) -> None:
        super().__init__()
        self.enter = nn.Conv3d(channels, hidden, 1)
        self.block = ResBlock(in_channels=hidden, out_channels=hidden, dims=3)
        self.leave = nn.Conv3d(hidden, channels, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, volume: Tensor) -> Tensor:
        """`b c d h w` to the same shape."""
        coarse = self.leave(self.block(self.enter(F.avg_pool3d(volume, 2))))
        return volume + F.interpolate(coarse.float(), volume.shape[2:], mode="nearest")


class ImageGenerator(nn.Module):
    """P and G2D: depth is folded into channels (orthographic projection), then drawn.

    Differs from MegaPortraits: the blocks are conditioned on the motion (AdaGN), because at few
    pixels a warp alone cannot open a mouth whose inside the source does not show; and what is
    drawn is added to a linear projection of the volume, which starts as the sum over depth of
    the pixels that `VolumeLift` put there.

    Args:
        volume_channels: c of the volume.
        depth: planes of it, with the still layer.
        fold: side of the pixel blocks that are folded into channels before the first stage.
        channels: width of each stage; each stage but the first doubles the side.
        blocks_per_stage: residual blocks a stage.
        last_scale: enlargement of the last convolution (pixel shuffle).
        condition_dim: width of the condition.
    """

    def __init__(
        self,
        *,
        volume_channels: int,
        depth: int,
        fold: int,
        channels: list[int],
        blocks_per_stage: int,
        last_scale: int,
        condition_dim: int,
    ) -> None:
        super().__init__()
        self.fold = fold
        self.last_scale = last_scale
        self.project = nn.Conv2d(volume_channels * depth * fold**2, channels[0], 1)
        self.stages = nn.ModuleList()
        previous = channels[0]
        for width in channels:
            blocks = nn.ModuleList()
            for _ in range(blocks_per_stage):
                blocks.append(
                    ResBlock(
                        in_channels=previous,
                        out_channels=width,
                        dims=2,
                        condition_dim=condition_dim,
                    )
                )
                previous = width
            self.stages.append(blocks)
        self.norm = group_norm(previous)
        self.last = nn.Conv2d(previous, 3 * last_scale**2, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]
        self.linear = nn.Conv2d(volume_channels * depth, 3, 1)
        with torch.no_grad():
            weight = rearrange(self.linear.weight, "o (c d) 1 1 -> o c d", d=depth)
            weight.zero_()
            weight[range(3), range(3)] = 1
            self.linear.bias.zero_()  # type: ignore[union-attr]

    def forward(self, volume: Tensor, condition: Tensor) -> Tensor:
        """Posed volume `b c d h w` under a condition `b k` to picture `b 3 h' w'`.

        The picture is in [0, 1]; while training it may leave that range, so that no pixel is
        without a gradient.
        """
        flat = rearrange(volume, "b c d h w -> b (c d) h w")
        x = self.project(F.pixel_unshuffle(flat, self.fold))
        for index, stage in enumerate(self.stages):
            if index:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
            for block in stage:  # type: ignore[attr-defined]
                x = block(x, condition)
        drawn = F.pixel_shuffle(self.last(F.silu(self.norm(x))), self.last_scale).float()
        base = self.linear(flat).float()
        if base.shape != drawn.shape:
            base = F.interpolate(base, drawn.shape[2:], mode="bilinear", align_corners=False)
        image = (base + drawn + 1) / 2
        return image if self.training else image.clamp(0, 1)
