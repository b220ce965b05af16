"""From a picture's features to a posed volume: where along its ray each pixel's face lies."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vasa.geometry.warp import head_grid, sample_volume

_SHAPE_GAIN = 20.0  # logits; steps of the optimiser's size then move the shape by whole logits


def shell_logits(head: Tensor, *, radii: Tensor, thickness: float) -> Tensor:
    """How likely points lie on the front of an ellipsoidal head, as logits.

    Args:
        head: points in head coordinates, `b d h w 3`.
        radii: of the ellipsoid along x, y, z, in head units.
        thickness: distance from the shell at which the logit is -1, in radii.

    Returns:
        `b 1 d h w`; 0 on the shell's front, less elsewhere.
    """
    distance = (head / radii).norm(dim=-1) - 1
    behind = (head[..., 2] - 0.2).clamp(min=0)
    return (-(distance / thickness).square() - behind / 0.1)[:, None]


class VolumeLift(nn.Module):
    """Features of a pixel, spread over its ray: v[c, z, y, x] = f[c, y, x] softmax_z(l[z, y, x]).

    The depths are the volume's planes and one layer more, behind them all, that stands still
    whatever the head does (background, clothes). The logits l add three things: an ellipsoidal
    shell in the source's pose; a learned head shape, the mean over people, in that pose; and what
    the features say of this person. The first channels of f are the picture itself and a one, so
    that training starts from moved pixels and how much of a head they are.

    Unspecified in the paper: MegaPortraits reshapes channels into depth and lets training find
    where things are. With few steps at few pixels that leaves a face smeared over all depths,
    blurred as soon as it turns. With `is_deep` the features behind the first four channels are
    reshaped as in MegaPortraits, each plane its own, so that a pixel of a volume that is coarser
    than the picture can hold more of it; the picture and the one are still spread by the softmax.

    Args:
        in_channels: channels of the features.
        channels: channels of the volume, 4 or more.
        depth: its planes, without the still layer.
        head_radii: radii of the shell, in head units.
        head_thickness: of the shell, in radii.
        head_shape: d, h, w of the learned shape.
        still_logit: logit of the still layer at the start; the shell's is 0.
        is_deep: whether each plane has features of its own.
    """

    radii: Tensor

    def __init__(
        self,
        *,
        in_channels: int,
        channels: int,
        depth: int,
        head_radii: list[float],
        head_thickness: float,
        head_shape: list[int],
        still_logit: float,
        is_deep: bool,
    ) -> None:
        super().__init__()
        self.depth = depth
        self.is_deep = is_deep
        planes = depth + 1 if is_deep else 1
        self.to_features = nn.Conv2d(in_channels, (channels - 4) * planes, 1)
        self.to_logits = nn.Conv2d(in_channels, depth + 1, 1)
        nn.init.zeros_(self.to_logits.weight)
        nn.init.zeros_(self.to_logits.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            self.to_logits.bias[-1] = still_logit  # type: ignore[index]
        self.shape = nn.Parameter(torch.zeros(1, 1, *head_shape))
        self.thickness = head_thickness
        self.register_buffer("radii", torch.tensor(head_radii), persistent=False)

    def forward(self, features: Tensor, pixels: Tensor, pose: Tensor) -> Tensor:
        """To a posed volume.

        Args:
            features: `b c h' w'`, interpolated to the volume's sides.
            pixels: the picture at the volume's sides, in [-1, 1], `b 3 h w`.
            pose: `b 6`.

        Returns:
            `b c' d+1 h w`; the last plane is the still layer.
        """
        size = pixels.shape[-1]

        def enlarged(maps: Tensor) -> Tensor:
            return F.interpolate(maps.float(), (size, size), mode="bilinear", align_corners=False)

        head = head_grid(pose.detach(), self.depth, size, size)
        prior = shell_logits(head, radii=self.radii, thickness=self.thickness)
        shape = self.shape.expand(len(pose), -1, -1, -1, -1)
        prior = prior + _SHAPE_GAIN * sample_volume(shape, head)
        logits = F.pad(prior, (0, 0, 0, 0, 0, 1)) + enlarged(self.to_logits(features))[:, None]
        ones = torch.ones_like(pixels[:, :1])
        own = enlarged(self.to_features(features))
        if self.is_deep:
            seen = torch.cat((pixels, ones), dim=1)[:, :, None] * logits.softmax(dim=2)
            return torch.cat((seen, own.unflatten(1, (-1, self.depth + 1))), dim=1)
        found = torch.cat((pixels, ones, own), dim=1)
        return found[:, :, None] * logits.softmax(dim=2)
