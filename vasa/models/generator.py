"""Volume refinement G3D, projection P, and the 2D generator G2D (MegaPortraits appendix A)."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vasa.models.blocks import ResBlock, group_norm


class VolumeRefiner(nn.Module):
    """G3D: a 3D U-Net of residual blocks, added to the canonical volume.

    Differs from MegaPortraits: it may begin at a fraction of the volume's resolution, and without
    coarser levels it is one block.

    Args:
        channels: channels of the volume.
        hidden: channels of the finest level.
        coarser: channels of the levels below it, each at half the resolution of the one before;
            what comes back up is joined with what went down.
        scale: how many times coarser than the volume the finest level is, 1 or 2.
    """

    def __init__(self, *, channels: int, hidden: int, coarser: list[int], scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.enter = nn.Conv3d(channels, hidden, 1)
        self.block = ResBlock(in_channels=hidden, out_channels=hidden, dims=3)
        widths = [hidden, *coarser]
        self.down = nn.ModuleList(
            ResBlock(in_channels=fine, out_channels=coarse, dims=3)
            for fine, coarse in pairwise(widths)
        )
        self.up = nn.ModuleList(
            ResBlock(in_channels=fine + coarse, out_channels=fine, dims=3)
            for fine, coarse in reversed(list(pairwise(widths)))
        )
        self.leave = nn.Conv3d(hidden, channels, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, volume: Tensor) -> Tensor:
        """`b c d h w` to the same shape."""
        coarse = volume if self.scale == 1 else F.avg_pool3d(volume, self.scale)
        x = self.block(self.enter(coarse))
        above = []
        for block in self.down:
            above.append(x)
            x = block(F.avg_pool3d(x, 2))
        for block in self.up:
            fine = above.pop()
            x = block(torch.cat((fine, F.interpolate(x, fine.shape[2:], mode="nearest")), dim=1))
        change = self.leave(x).float()
        if self.scale != 1:
            change = F.interpolate(change, volume.shape[2:], mode="nearest")
        return volume + change


def composite(volume: Tensor) -> tuple[Tensor, Tensor]:
    """What is seen of a volume's planes from the front, each hiding what lies behind it.

        T_k = prod_{j<k} (1 - a_j),   s = sum_k T_k a_k,   x = sum_k T_k c_k / s

    with colours c (times coverage, as `VolumeLift` makes them) and coverage a. Divided by s, a
    face whose pixels are spread over several planes, or thinned by warping, keeps its brightness.
    Unspecified in the paper: MegaPortraits leaves occlusion to the convolutions.

    Args:
        volume: planes from near to far; channels 0 to 2 colours, 3 coverage, `b c d h w`.

    Returns:
        Colours x `b 3 h w`, towards 0 where less than a tenth is covered; coverage s `b 1 h w`.
    """
    colours, coverage = volume[:, :3].float(), volume[:, 3:4].float().clamp(0, 1)
    unhidden = F.pad((1 - coverage[:, :, :-1]).cumprod(dim=2), (0, 0, 0, 0, 1, 0), value=1.0)
    seen = (unhidden * coverage).sum(dim=2)
    return (unhidden * colours).sum(dim=2) / seen.clamp(min=0.1), seen


class ImageGenerator(nn.Module):
    """P and G2D: depth is folded into channels (orthographic projection), then drawn.

    Differs from MegaPortraits: the blocks are conditioned on the motion (AdaGN), because at few
    pixels a warp alone cannot open a mouth whose inside the source does not show; and two last
    convolutions at full size, without norms that would hide how strong an edge is, sharpen what is
    seen of the volume from the front (`composite`), to which they add. Most blocks stand at the
    volume's size; the last enlargement is a pixel shuffle, and few channels reach the full size.

    Args:
        volume_channels: c of the volume, 4 or more: colours, coverage, features.
        depth: planes of it, with the still layer.
        fold: side of the pixel blocks that are folded into channels before the first stage.
        channels: width of each stage; each stage but the first doubles the side.
        blocks: residual blocks of each stage; MegaPortraits has 8 in the first.
        last_scale: enlargement of the last stage (pixel shuffle).
        detail_channels: width of the convolutions at full size.
        condition_dim: width of the condition.
    """

    def __init__(
        self,
        *,
        volume_channels: int,
        depth: int,
        fold: int,
        channels: list[int],
        blocks: list[int],
        last_scale: int,
        detail_channels: int,
        condition_dim: int,
    ) -> None:
        super().__init__()
        self.fold = fold
        self.last_scale = last_scale
        self.project = nn.Conv2d((volume_channels * depth + 4) * fold**2, channels[0], 1)
        self.stages = nn.ModuleList()
        previous = channels[0]
        for width, count in zip(channels, blocks, strict=True):
            stage = nn.ModuleList()
            for _ in range(count):
                stage.append(
                    ResBlock(
                        in_channels=previous,
                        out_channels=width,
                        dims=2,
                        condition_dim=condition_dim,
                    )
                )
                previous = width
            self.stages.append(stage)
        self.norm = group_norm(previous)
        self.enlarge = nn.Conv2d(previous, detail_channels * last_scale**2, 3, padding=1)
        self.sharpen = nn.Conv2d(detail_channels + 4, detail_channels, 3, padding=1)
        self.last = nn.Conv2d(detail_channels, 3, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, volume: Tensor, condition: Tensor) -> Tensor:
        """Posed volume `b c d h w` under a condition `b k` to picture `b 3 h' w'`.

        The picture is in [0, 1]; while training it may leave that range, so that no pixel is
        without a gradient.
        """
        base, seen = composite(volume)
        planes = torch.cat((volume.flatten(1, 2), base, seen), dim=1)
        x = self.project(F.pixel_unshuffle(planes, self.fold))
        for index, stage in enumerate(self.stages):
            if index:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
            for block in stage:  # type: ignore[attr-defined]
                x = block(x, condition)
        details = F.pixel_shuffle(self.enlarge(F.silu(self.norm(x))), self.last_scale)
        front = torch.cat((base, seen), dim=1)
        if front.shape[2:] != details.shape[2:]:
            front = F.interpolate(front, details.shape[2:], mode="bilinear", align_corners=False)
        details = F.silu(self.sharpen(torch.cat((details, front), dim=1)))
        image = (front[:, :3] + self.last(details).float() + 1) / 2
        return image if self.training else image.clamp(0, 1)
