"""Residual blocks of stage 1 (MegaPortraits appendix A): GroupNorm, standardised weights, AdaGN."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def group_norm(channels: int) -> nn.GroupNorm:
    """GroupNorm over groups of at least 8 channels, 32 groups at most."""
    groups = max(1, min(32, channels // 8))
    while channels % groups:
        groups -= 1
    return nn.GroupNorm(groups, channels)


def _standardise(weight: Tensor) -> Tensor:
    """Weight standardisation (Qiao et al., arXiv 1903.10520): zero mean, unit gain a filter."""
    flat = weight.flatten(1)
    variance, mean = torch.var_mean(flat, dim=1, keepdim=True, unbiased=False)
    return ((flat - mean) * (variance * flat.shape[1] + 1e-6).rsqrt()).view_as(weight)


class StandardConv2d(nn.Conv2d):
    """A 2D convolution whose weights are standardised at every use."""

    def forward(self, input: Tensor) -> Tensor:
        """`b c h w` to `b c' h' w'`."""
        return F.conv2d(input, _standardise(self.weight), self.bias, self.stride, self.padding)


class StandardConv3d(nn.Conv3d):
    """A 3D convolution whose weights are standardised at every use.

    On a CPU it runs in float32 under autocast too: torch 2.14's bfloat16 weight gradient of small
    3D convolutions is now and then infinite.
    """

    def forward(self, input: Tensor) -> Tensor:
        """`b c d h w` to `b c' d' h' w'`."""
        weight = _standardise(self.weight)
        if input.device.type != "cpu":
            return F.conv3d(input, weight, self.bias, self.stride, self.padding)
        with torch.autocast("cpu", enabled=False):
            return F.conv3d(input.float(), weight, self.bias, self.stride, self.padding)


class AdaptiveGroupNorm(nn.Module):
    """GroupNorm whose scale and shift are linear in a condition vector."""

    def __init__(self, *, channels: int, condition_dim: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.affine = nn.Linear(condition_dim, 2 * channels)
        nn.init.normal_(self.affine.weight, std=0.1)
        nn.init.zeros_(self.affine.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """`b c ...` under the condition `b k`; either may have a batch of one."""
        scale, shift = self.affine(condition).chunk(2, dim=-1)
        extra = (1,) * (x.dim() - 2)
        return self.norm(x) * (1 + scale.reshape(*scale.shape, *extra)) + shift.reshape(
            *shift.shape, *extra
        )


class ResBlock(nn.Module):
    """Pre-activation residual block in 2D or 3D, conditioned by AdaGN where a width is given.

    Args:
        in_channels: channels in.
        out_channels: channels out.
        dims: 2 or 3.
        condition_dim: width of the condition; None for plain GroupNorm.

    Attributes:
        is_checkpointed: whether a training pass keeps only the block's input and computes the rest
            again for the gradient; the numbers are the same.
    """

    def __init__(
        self, *, in_channels: int, out_channels: int, dims: int, condition_dim: int | None = None
    ) -> None:
        super().__init__()
        conv = StandardConv2d if dims == 2 else StandardConv3d
        if condition_dim is None:
            self.norm1: nn.Module = group_norm(in_channels)
            self.norm2: nn.Module = group_norm(out_channels)
        else:
            self.norm1 = AdaptiveGroupNorm(channels=in_channels, condition_dim=condition_dim)
            self.norm2 = AdaptiveGroupNorm(channels=out_channels, condition_dim=condition_dim)
        self.conv1 = conv(in_channels, out_channels, 3, padding=1)
        self.conv2 = conv(out_channels, out_channels, 3, padding=1)
        self.gain = nn.Parameter(torch.full((), 0.2))
        self.skip = (
            nn.Identity()
            if in_channels == out_channels
            else conv(in_channels, out_channels, 1, bias=False)
        )
        self.is_conditioned = condition_dim is not None
        self.is_checkpointed = False

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """`b c ...` to `b c' ...`, same size."""
        if self.is_checkpointed and torch.is_grad_enabled():
            kept = checkpoint(
                self._residual, x, condition, use_reentrant=False, preserve_rng_state=False
            )
            assert isinstance(kept, Tensor), "a checkpoint returns what its function does"
            return kept
        return self._residual(x, condition)

    def _residual(self, x: Tensor, condition: Tensor | None) -> Tensor:
        arguments = (condition,) if self.is_conditioned else ()
        hidden = self.conv1(F.silu(self.norm1(x, *arguments)))
        hidden = self.conv2(F.silu(self.norm2(hidden, *arguments)))
        return self.skip(x) + self.gain * hidden


class ImageTrunk(nn.Module):
    """A strided stem, then residual stages with average pooling between them.

    Args:
        channels: width of each stage; each stage but the first halves the side.
        stem_stride: stride of the 7x7 stem, 1 or 2.
        blocks_per_stage: residual blocks a stage.
    """

    def __init__(
        self,
        *,
        channels: list[int],
        stem_stride: int,
        blocks_per_stage: int,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels[0], 7, stride=stem_stride, padding=3)
        self.stages = nn.ModuleList()
        previous = channels[0]
        for width in channels:
            blocks = []
            for _ in range(blocks_per_stage):
                blocks.append(ResBlock(in_channels=previous, out_channels=width, dims=2))
                previous = width
            self.stages.append(nn.ModuleList(blocks))
        self.norm = group_norm(previous)

    def last_two(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The last stage's features and those of the stage before, at twice the side."""
        x = self.stem(image * 2 - 1)
        before = x
        for index, stage in enumerate(self.stages):
            if index:
                before = x
                x = F.avg_pool2d(x, 2)
            for block in stage:  # type: ignore[attr-defined]
                x = block(x)
        return F.silu(self.norm(x)), before

    def forward(self, image: Tensor) -> Tensor:
        """Picture `b 3 h w` in [0, 1] to features `b c h' w'`."""
        return self.last_two(image)[0]


class VectorEncoder(nn.Module):
    """An image trunk and a linear read-out of its last map.

    The map is flattened, not averaged: where things are is what pose and dynamics are about.
    """

    def __init__(
        self,
        *,
        image_size: int,
        channels: list[int],
        stem_stride: int,
        blocks_per_stage: int,
        out_dim: int,
    ) -> None:
        super().__init__()
        self.trunk = ImageTrunk(
            channels=channels,
            stem_stride=stem_stride,
            blocks_per_stage=blocks_per_stage,
        )
        side = image_size // stem_stride // 2 ** (len(channels) - 1)
        self.head = nn.Linear(channels[-1] * side * side, out_dim)

    def forward(self, image: Tensor) -> Tensor:
        """Picture `b 3 h w` to `b out_dim`."""
        return self.head(self.trunk(image).flatten(1))
