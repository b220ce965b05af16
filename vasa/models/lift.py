"""From a picture's features to a posed volume: where along its ray each pixel's face lies."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from vasa.geometry.warp import identity_grid, unpose_points


def shell_logits(pose: Tensor, *, depth: int, size: int, radii: Tensor) -> Tensor:
    """How likely a voxel lies on the front of an ellipsoidal head in a pose, as logits.

    Args:
        pose: `b 6`.
        depth: planes of the volume.
        size: voxels a side of each.
        radii: of the ellipsoid along x, y, z, in head units.

    Returns:
        `b 1 d h w`; highest on the shell's front.
    """
    grid = identity_grid(depth, size, size, device=pose.device)
    head = unpose_points(rearrange(grid, "b d h w xyz -> b (d h w) xyz"), pose)
    distance = (head / radii).norm(dim=-1) - 1
    behind = (head[..., 2] - 0.2).clamp(min=0)
    logits = -((distance / 0.25).square()) - behind / 0.1
    return rearrange(logits, "b (d h w) -> b 1 d h w", d=depth, h=size)


class VolumeLift(nn.Module):
    """Features of a pixel, spread over its ray: v[c, z, y, x] = f[c, y, x] softmax_z(l[z, y, x]).

    The depths are the volume's planes and one layer more, behind them all, that stands still
    whatever the head does (background, clothes). The logits l are learned and start from a
    head-shaped shell in the source's pose; the first channels of f start as the picture itself
    and a one, so that training starts from moved pixels and how much of a head they are.

    Unspecified in the paper: MegaPortraits reshapes channels into depth and lets training find
    where things are. With few steps at few pixels that leaves a face smeared over all depths,
    blurred as soon as it turns.

    Args:
        in_channels: channels of the features.
        channels: channels of the volume, 4 or more.
        depth: its planes, without the still layer.
        head_radii: radii of the shell, in head units.
        still_logit: logit of the still layer at the start; the shell's is 0.
    """

    radii: Tensor

    def __init__(
        self,
        *,
        in_channels: int,
        channels: int,
        depth: int,
        head_radii: list[float],
        still_logit: float,
    ) -> None:
        super().__init__()
        self.depth = depth
        self.to_features = nn.Conv2d(in_channels, channels - 4, 1)
        self.to_logits = nn.Conv2d(in_channels, depth + 1, 1)
        nn.init.zeros_(self.to_logits.weight)
        nn.init.zeros_(self.to_logits.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            self.to_logits.bias[-1] = still_logit  # type: ignore[index]
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

        prior = shell_logits(pose.detach(), depth=self.depth, size=size, radii=self.radii)
        logits = F.pad(prior, (0, 0, 0, 0, 0, 1)) + enlarged(self.to_logits(features))[:, None]
        ones = torch.ones_like(pixels[:, :1])
        found = torch.cat((pixels, ones, enlarged(self.to_features(features))), dim=1)
        return found[:, :, None] * logits.softmax(dim=2)
