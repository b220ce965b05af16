"""z_dyn from a picture: frontalised close looks at eyes and mouth (VASA-1 sec. 3.1)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vasa.geometry.warp import frontal_grid
from vasa.losses.pose import POSE_UNITS
from vasa.models.blocks import ResBlock, group_norm

POSE_DIM = len(POSE_UNITS)
_GAIN = 4.0
"""So that codes begin outside of the dead zone, where they would not learn."""
_DEAD_ZONE = 0.5
"""Half of the training noise's deviation (1): what it hides is not said at all."""


class DynamicsEncoder(nn.Module):
    """One code of lips, expression, gaze and blinks.

    Unspecified in the paper: VASA-1 and MegaPortraits crop the face; here the pose undoes the
    head's turn (`frontal_grid`), and the crops are those parts of the face that move by
    themselves: at few pixels a network that sees the whole face spends its first thousand steps
    on who it is. Differs from MegaPortraits, at every size: its own convolutions, those that halve
    the side, are plain; of the weights only those of the residual blocks are standardised (there
    all but the first and the last are). A GroupNorm follows each.

    Args:
        glimpses: x, y and half side of each crop, in head units.
        glimpse_size: side of a crop, px.
        channels: width of each convolution; each but the first halves the side.
        blocks: residual blocks behind each convolution (MegaPortraits has a ResNet-18).
        hidden: width of the layer between the maps and the code.
        z_dyn_dim: width of the code.
        bowl_radius: radius of the face bowl, in head units.
        bowl_depth: its depth, in head units.
    """

    units: Tensor

    def __init__(
        self,
        *,
        glimpses: list[list[float]],
        glimpse_size: int,
        channels: list[int],
        blocks: int,
        hidden: int,
        z_dyn_dim: int,
        bowl_radius: float,
        bowl_depth: float,
    ) -> None:
        super().__init__()
        self.glimpses = glimpses
        self.glimpse_size = glimpse_size
        self.bowl_radius = bowl_radius
        self.bowl_depth = bowl_depth
        layers: list[nn.Module] = []
        previous = 3 * len(glimpses) + POSE_DIM
        for index, width in enumerate(channels):
            stride = 1 if index == 0 else 2
            layers += [
                nn.Conv2d(previous, width, 3, stride=stride, padding=1, bias=False),
                group_norm(width),
                nn.SiLU(),
            ]
            for _ in range(blocks):
                layers.append(ResBlock(in_channels=width, out_channels=width, dims=2))
            previous = width
        side = glimpse_size // 2 ** (len(channels) - 1)
        self.register_buffer("units", 3 * torch.tensor(POSE_UNITS), persistent=False)
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(previous * side**2, hidden))
        self.head = nn.Linear(hidden, z_dyn_dim)

    def view(self, image: Tensor, pose: Tensor, flow: Tensor | None = None) -> Tensor:
        """The frontalised crops, side by side in channels.

        Args:
            image: `b 3 h w` in [0, 1].
            pose: where the face is, `b 6`; no gradient flows into it.
            flow: random offsets of the crops (augmentation), half pictures, `b g h w 2`.

        Returns:
            `b (g 3) h' w'`.
        """
        crops = []
        for number, (x, y, half_side) in enumerate(self.glimpses):
            grid = frontal_grid(
                pose.detach().float(),
                self.glimpse_size,
                centre=(x, y),
                half_side=half_side,
                bowl_radius=self.bowl_radius,
                bowl_depth=self.bowl_depth,
            )
            if flow is not None:
                grid = grid + flow[:, number]
            crops.append(F.grid_sample(image, grid, padding_mode="border", align_corners=False))
        return torch.cat(crops, dim=1)

    def forward(self, view: Tensor, pose: Tensor) -> Tensor:
        """Crops `b (g 3) h w` and where the head points `b 6` to the code `b m`.

        What a turned head does to the looks of eyes and lips can only be told from what they do
        themselves when the turn is known. No gradient flows into the pose. The last step is soft
        thresholding (Donoho 1995): a part of the code that noise would drown anyway is 0, and not
        small; a linear probe reads small numbers as well as large ones.
        """
        known = (pose.detach() / self.units)[:, :, None, None].to(view)
        planes = known.expand(-1, -1, *view.shape[2:])
        code = self.head(F.silu(self.layers(torch.cat((view * 2 - 1, planes), dim=1))))
        return F.softshrink(_GAIN * code, _DEAD_ZONE)
