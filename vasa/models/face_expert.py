"""FaceExpert: the offline twin of the frozen face experts, trained on the project's own labels.

One small network reads identity, pose, mouth, gaze, blink and emotion off a face crop and says
whether a face is there at all. It stands in for the experts of VASA-1 sec. 3.1 and MegaPortraits
sec. 3.1 (face recognition, head pose, gaze, emotion, perceptual features) where their weights
cannot be had.

A mouth is some ten pixels wide in a 64 px crop, so the network looks twice: a trunk sees the whole
picture and finds the landmarks, then glimpses at mouth, eyes and brows, cut out upright and
enlarged around those landmarks, correct what the trunk says (hard attention in the manner of
spatial transformers, Jaderberg et al. 2015).

Unspecified in the paper: everything about this network; the papers use published experts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vasa.types import FaceMeasurements

TARGET_SIZES = (6, 2, 2, 1, 8)
"""Numbers of pose, mouth, gaze, blink and emotion."""
NUM_TARGETS = sum(TARGET_SIZES)
NUM_LANDMARKS = 68
EYES = (slice(36, 42), slice(42, 48))
MOUTH = slice(48, 68)
HEAT_SCALE = 5.0
"""Makes heat maps peak early in training."""


@dataclass(frozen=True, kw_only=True)
class FaceExpertOutput:
    """Raw heads, as the training loss wants them.

    Attributes:
        identity: L2-normalised embedding, `b e`.
        targets: pose, mouth, gaze, blink, emotion in units of their statistics, `b 19`.
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


class _LandmarkFinder(nn.Module):
    """Landmarks as the mean places of heat maps over the second tap's grid, fed by all later taps.

    Args:
        widths: channels of the taps.
        channels: of the map that the taps are added up in.
        groups: groups of every GroupNorm.
    """

    def __init__(self, *, widths: Sequence[int], channels: int, groups: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in widths[1:])
        self.mix = nn.Sequential(
            nn.GroupNorm(groups, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.GroupNorm(groups, channels),
            nn.SiLU(),
            nn.Conv2d(channels, NUM_LANDMARKS, 1),
        )

    def forward(self, taps: Sequence[Tensor]) -> Tensor:
        """Taps to places in half pictures, `b 68 2`."""
        maps = [lateral(tap) for lateral, tap in zip(self.lateral, taps[1:], strict=True)]
        total = maps[-1]
        for finer in reversed(maps[:-1]):
            total = finer + functional.interpolate(total, scale_factor=2, mode="bilinear")
        heat = self.mix(total)
        side = heat.shape[-1]
        weight = (HEAT_SCALE * heat).flatten(2).softmax(dim=-1).unflatten(-1, (side, side))
        places = (torch.arange(side, device=heat.device) + 0.5) * (2 / side) - 1
        x, y = (weight.sum(dim=2) * places).sum(-1), (weight.sum(dim=3) * places).sum(-1)
        return torch.stack((x, y), dim=-1)


class _Glimpse(nn.Module):
    """A small upright cut-out, looked at closely.

    Args:
        in_channels: of the cut-outs together.
        size: height and width of the cut-out, px.
        widths: channels; the first at full resolution, one halving for each further one.
        context: features of the whole picture that come along.
        hidden: width of the last layer.
        num_outputs: numbers that it gives.
        groups: groups of every GroupNorm.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        size: tuple[int, int],
        widths: Sequence[int],
        context: int,
        hidden: int,
        num_outputs: int,
        groups: int,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index, width in enumerate(widths):
            stride = 1 if index == 0 else 2
            layers += [
                nn.Conv2d(in_channels, width, 3, stride=stride, padding=1, bias=False),
                nn.GroupNorm(groups, width),
                nn.SiLU(),
            ]
            in_channels = width
        self.layers = nn.Sequential(*layers)
        halvings = 2 ** (len(widths) - 1)
        flat = widths[-1] * -(-size[0] // halvings) * -(-size[1] // halvings)
        self.look = nn.Linear(flat, hidden)
        self.head = nn.Linear(hidden + context, num_outputs)

    def forward(self, patch: Tensor, context: Tensor) -> Tensor:
        seen = functional.silu(self.look(self.layers(patch).flatten(1)))
        return self.head(torch.cat((seen, context), dim=1))


def cut_out(
    image: Tensor, *, centre: Tensor, across: Tensor, size: tuple[int, int], reach: float
) -> Tensor:
    """Cut an upright, scaled patch out of each picture.

    Args:
        image: `b c h w`.
        centre: of the patch, half pictures, `b 2`.
        across: vector that becomes the patch's x axis, half pictures, `b 2`.
        size: height and width of the patch, px.
        reach: half of the patch's width in lengths of `across`.

    Returns:
        `b c h w` of `size`.
    """
    right = across * reach
    down = torch.stack((-right[:, 1], right[:, 0]), dim=1) * (size[0] / size[1])
    theta = torch.stack((right, down, centre), dim=-1)
    grid = functional.affine_grid(theta, [*image.shape[:2], *size], align_corners=False)
    return functional.grid_sample(image, grid, padding_mode="border", align_corners=False)


class FaceExpert(nn.Module):
    """Measures a face crop; every output is differentiable in the picture.

    Args:
        size: side in pixels at which pictures are read; others are resized. A multiple of
            2^len(widths).
        widths: channels after each halving.
        hidden: width of the layer that the heads share.
        identity_dim: length of the identity embedding.
        groups: groups of every GroupNorm; divides each width.
        landmark_channels: channels of the map that landmarks are found in.
        glimpse_widths: channels of the close looks at mouth and eyes.
        glimpse_px: width of a close look; half as high for the eyes, three quarters otherwise.
    """

    target_mean: Tensor
    target_std: Tensor

    def __init__(
        self,
        *,
        size: int,
        widths: Sequence[int],
        hidden: int,
        identity_dim: int,
        groups: int,
        landmark_channels: int,
        glimpse_widths: Sequence[int],
        glimpse_px: int,
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
        self.landmark_finder = _LandmarkFinder(
            widths=widths, channels=landmark_channels, groups=groups
        )
        self.target_head = nn.Sequential(
            nn.Linear(hidden + NUM_LANDMARKS * 2, hidden), nn.SiLU(), nn.Linear(hidden, NUM_TARGETS)
        )
        self.presence_head = nn.Linear(hidden, 1)
        self.identity_head = nn.Linear(hidden, identity_dim)
        self.mouth_size = (glimpse_px * 3 // 4, glimpse_px)
        self.eye_size = (glimpse_px // 2, glimpse_px)
        self.brow_size = self.mouth_size
        self.mouth_glimpse = _Glimpse(
            in_channels=3,
            size=self.mouth_size,
            widths=glimpse_widths,
            context=hidden,
            hidden=hidden // 2,
            num_outputs=2 + 8,
            groups=groups,
        )
        self.eye_glimpse = _Glimpse(
            in_channels=6,
            size=self.eye_size,
            widths=glimpse_widths,
            context=hidden,
            hidden=hidden // 2,
            num_outputs=3,
            groups=groups,
        )
        self.brow_glimpse = _Glimpse(
            in_channels=3,
            size=self.brow_size,
            widths=glimpse_widths,
            context=hidden,
            hidden=hidden // 2,
            num_outputs=8,
            groups=groups,
        )
        self.register_buffer("target_mean", torch.zeros(NUM_TARGETS))
        self.register_buffer("target_std", torch.ones(NUM_TARGETS))

    def set_statistics(self, *, mean: Tensor, std: Tensor) -> None:
        """Keep the training labels' mean and standard deviation, `19` each, with the weights."""
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
        image = self._resized(image)
        taps = self.features(image)
        hidden = functional.silu(self.trunk(taps[-1]))
        landmarks = self.landmark_finder(taps)
        geometry = torch.cat((hidden, 4 * landmarks.flatten(1)), dim=1)
        closer = self._look_closer(image * 2 - 1, landmarks.detach(), hidden)
        return FaceExpertOutput(
            identity=functional.normalize(self.identity_head(hidden), dim=-1),
            targets=self.target_head(geometry) + functional.pad(closer, (6, 0)),
            landmarks=landmarks,
            presence=self.presence_head(hidden)[:, 0],
        )

    def _look_closer(self, image: Tensor, landmarks: Tensor, hidden: Tensor) -> Tensor:
        """Corrections of all but the pose, `b 13`, from patches around the landmarks."""
        eyes = [landmarks[:, eye].mean(dim=1) for eye in EYES]
        across = eyes[1] - eyes[0]
        mouth = cut_out(
            image,
            centre=landmarks[:, MOUTH].mean(dim=1),
            across=across,
            size=self.mouth_size,
            reach=0.7,
        )
        patches = [
            cut_out(image, centre=eye, across=across, size=self.eye_size, reach=0.4) for eye in eyes
        ]
        brows = cut_out(
            image,
            centre=(eyes[0] + eyes[1]) / 2,
            across=across,
            size=self.brow_size,
            reach=0.9,
        )
        of_mouth, emotion = self.mouth_glimpse(mouth, hidden).split((2, 8), dim=1)
        of_eyes = self.eye_glimpse(torch.cat(patches, 1), hidden)
        emotion = emotion + self.brow_glimpse(brows, hidden)
        return torch.cat((of_mouth, of_eyes, emotion), dim=1)

    def forward(self, image: Tensor) -> FaceMeasurements:
        """Measure pictures; `image` RGB in [0, 1], `b 3 h w`."""
        output = self.heads(image)
        targets = output.targets * self.target_std + self.target_mean
        pose, mouth, gaze, blink, emotion = targets.split(TARGET_SIZES, dim=-1)
        height, width = image.shape[-2:]
        x, y = ((output.landmarks + 1) / 2).unbind(dim=-1)
        return FaceMeasurements(
            identity=output.identity,
            pose=pose,
            mouth=mouth,
            gaze=gaze,
            blink=blink[:, 0],
            emotion=emotion,
            presence=output.presence,
            landmarks=torch.stack((x * width, y * height), dim=-1),
        )

    def _resized(self, image: Tensor) -> Tensor:
        if image.shape[-2:] == (self.size, self.size):
            return image
        return functional.interpolate(
            image, (self.size, self.size), mode="bilinear", align_corners=False, antialias=True
        )
