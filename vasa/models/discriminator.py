"""The multi-scale patch discriminator of stage 1 (MegaPortraits sec. 3.1, L_adv)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


@dataclass(frozen=True, kw_only=True)
class PatchScores:
    """What the discriminator says of pictures, fine scale first.

    Attributes:
        logits: above 0 for a true patch, a map `b 1 h w` for each scale.
        features: maps `b c h w` of every stage, for each scale.
    """

    logits: list[Tensor]
    features: list[list[Tensor]]


class _SpectralConv2d(nn.Conv2d):
    """A convolution whose normalised weight is found in float32, under autocast too."""

    def forward(self, input: Tensor) -> Tensor:
        """`b c h w` to `b c' h' w'`."""
        with torch.autocast(input.device.type, enabled=False):
            weight = self.weight
        return F.conv2d(input, weight, self.bias, self.stride, self.padding)


def _conv(in_channels: int, out_channels: int, *, halves: bool) -> nn.Module:
    """4x4 with stride 2 or 3x3 with stride 1: a map's places stay centred on their patches."""
    conv = (
        _SpectralConv2d(in_channels, out_channels, 4, stride=2, padding=1)
        if halves
        else _SpectralConv2d(in_channels, out_channels, 3, padding=1)
    )
    return spectral_norm(conv)


class PatchDiscriminator(nn.Module):
    """Judges overlapping patches of one scale (PatchGAN, Isola et al. 2017, sec. 3.2.2).

    With three halving stages a patch is 54 pixels wide.

    Args:
        channels: width of each stage; every stage but the last halves the side.
    """

    def __init__(self, *, channels: list[int]) -> None:
        super().__init__()
        inner = [3, *channels[:-1]]
        self.stages = nn.ModuleList(
            _conv(before, after, halves=index < len(channels) - 1)
            for index, (before, after) in enumerate(zip(inner, channels, strict=True))
        )
        self.judge = _conv(channels[-1], 1, halves=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Pictures `b 3 h w` in [-1, 1] to the maps of every stage, then the logits."""
        maps = []
        for stage in self.stages:
            x = F.leaky_relu(stage(x), 0.2)
            maps.append(x)
        return [*maps, self.judge(x)]


class MultiScaleDiscriminator(nn.Module):
    """A multi-scale patch discriminator (MegaPortraits sec. 3.1; Wang et al. 2018b, pix2pixHD).

    One `PatchDiscriminator` of its own for the picture, for its half, its quarter, ...

    Unspecified in the paper: which normalisation. Spectral (Miyato et al. 2018) and no other: it
    bounds how steep the logits are, which is what the hinge needs to stay useful; and a patch's
    score depends on the patch alone. Group and instance norms take the mean over the whole map:
    the background would speak in every patch of the face, and a result whose contrast or colour
    is off as a whole would be put right before it is judged.

    In training mode every call moves the norm's power iteration on, so that the order of calls is
    part of a run. Its vectors are buffers and are saved with the weights.

    Args:
        num_scales: scales, each half of the one before.
        channels: width of each stage; every stage but the last halves the side.
    """

    def __init__(self, *, num_scales: int, channels: list[int]) -> None:
        super().__init__()
        assert num_scales > 0 and channels, "a discriminator has a scale and a stage at least"
        self.scales = nn.ModuleList(
            PatchDiscriminator(channels=channels) for _ in range(num_scales)
        )
        self.least_size = 2 ** (num_scales - 1 + len(channels) - 1)

    def forward(self, image: Tensor) -> PatchScores:
        """Scores of pictures `b 3 h w` in [0, 1].

        Raises:
            ValueError: the coarsest scale of the picture has no place left.
        """
        if min(image.shape[-2:]) < self.least_size:
            raise ValueError(
                f"expected pictures of {self.least_size} px a side or more for "
                f"{len(self.scales)} scales, got {tuple(image.shape[-2:])}; lower num_scales or "
                "give fewer channels"
            )
        x = image * 2 - 1
        logits: list[Tensor] = []
        features: list[list[Tensor]] = []
        for index, scale in enumerate(self.scales):
            if index:
                x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
            *maps, judged = scale(x)
            logits.append(judged)
            features.append(maps)
        return PatchScores(logits=logits, features=features)
