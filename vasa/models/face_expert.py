"""FaceExpert: the offline twin of the frozen face experts, trained on the project's own labels.

One small network reads identity, pose, mouth, gaze and blink off a face crop and says whether a
face is there at all. It stands in for the experts of VASA-1 sec. 3.1 and MegaPortraits sec. 3.1
(face recognition, head pose, gaze, perceptual features) where their weights cannot be had.

Unspecified in the paper: everything about this network; the papers use published experts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vasa.types import FaceMeasurements

TARGETS = ("pose", "mouth", "gaze", "blink")
TARGET_SIZES = (6, 2, 2, 1)
NUM_TARGETS = sum(TARGET_SIZES)
NUM_LANDMARKS = 68


@dataclass(frozen=True, kw_only=True)
class FaceExpertOutput:
    """Raw heads, as the training loss wants them.

    Attributes:
        identity: L2-normalised embedding, `b e`.
        targets: pose, mouth, gaze, blink in units of their statistics, `b 11`.
        landmarks: iBUG-68 points in units of half the picture, -1 to 1, `b 68 2`.
        presence: logit of a face being there, `b`.
    """

    identity: Tensor
    targets: Tensor
    landmarks: Tensor
    presence: Tensor


class _Stage(nn.Module):
    """Halves the picture: strided convolution, then one residual convolution, with GroupNorm."""

    def __init__(self, *, in_channels: int, out_channels: int, groups: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1, bias=False)
        self.down_norm = nn.GroupNorm(groups, out_channels)
        self.residual = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.residual_norm = nn.GroupNorm(groups, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.silu(self.down_norm(self.down(x)))
        return functional.silu(x + self.residual_norm(self.residual(x)))


class FaceExpert(nn.Module):
    """Measures a face crop; every output is differentiable in the picture.

    Args:
        size: side in pixels at which pictures are read; others are resized. A multiple of
            2^len(widths).
        widths: channels after each halving.
        hidden: width of the layer that the heads share.
        identity_dim: length of the identity embedding.
        groups: groups of every GroupNorm; divides each width.
    """

    target_mean: Tensor
    target_std: Tensor

    def __init__(
        self, *, size: int, widths: Sequence[int], hidden: int, identity_dim: int, groups: int
    ) -> None:
        super().__init__()
        self.size = size
        channels = (3, *widths)
        self.stages = nn.ModuleList(
            _Stage(in_channels=inner, out_channels=outer, groups=groups if index else 1)
            for index, (inner, outer) in enumerate(zip(channels[:-1], channels[1:], strict=True))
        )
        side = size // 2 ** len(widths)
        self.trunk = nn.Sequential(nn.Flatten(), nn.Linear(widths[-1] * side * side, hidden))
        self.target_head = nn.Linear(hidden, NUM_TARGETS)
        self.landmark_head = nn.Linear(hidden, NUM_LANDMARKS * 2)
        self.presence_head = nn.Linear(hidden, 1)
        self.identity_head = nn.Linear(hidden, identity_dim)
        self.register_buffer("target_mean", torch.zeros(NUM_TARGETS))
        self.register_buffer("target_std", torch.ones(NUM_TARGETS))

    def set_statistics(self, *, mean: Tensor, std: Tensor) -> None:
        """Keep the training labels' mean and standard deviation, `11` each, with the weights."""
        self.target_mean.copy_(mean)
        self.target_std.copy_(std)

    def features(self, image: Tensor) -> list[Tensor]:
        """Intermediate maps, fine to coarse, as perceptual taps.

        Args:
            image: RGB in [0, 1], `b 3 h w`.

        Returns:
            One `b c h w` a halving, at 1/2, 1/4, 1/8, ... of `size`.
        """
        x = self._resized(image) * 2 - 1
        taps = []
        for stage in self.stages:
            x = stage(x)
            taps.append(x)
        return taps

    def heads(self, image: Tensor) -> FaceExpertOutput:
        """All heads before their units are put back; `image` RGB in [0, 1], `b 3 h w`."""
        hidden = functional.silu(self.trunk(self.features(image)[-1]))
        return FaceExpertOutput(
            identity=functional.normalize(self.identity_head(hidden), dim=-1),
            targets=self.target_head(hidden),
            landmarks=self.landmark_head(hidden).unflatten(-1, (NUM_LANDMARKS, 2)),
            presence=self.presence_head(hidden)[:, 0],
        )

    def forward(self, image: Tensor) -> FaceMeasurements:
        """Measure pictures; `image` RGB in [0, 1], `b 3 h w`."""
        output = self.heads(image)
        targets = output.targets * self.target_std + self.target_mean
        pose, mouth, gaze, blink = targets.split(TARGET_SIZES, dim=-1)
        return FaceMeasurements(
            identity=output.identity,
            pose=pose,
            mouth=mouth,
            gaze=gaze,
            blink=blink[:, 0],
            presence=output.presence,
        )

    def _resized(self, image: Tensor) -> Tensor:
        if image.shape[-2:] == (self.size, self.size):
            return image
        return functional.interpolate(
            image, (self.size, self.size), mode="bilinear", align_corners=False, antialias=True
        )
