"""Non-rigid warp fields from z_dyn and z_id (MegaPortraits sec. 3.1, W_{s->} and W_{->d})."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vasa.models.blocks import ResBlock, group_norm


class WarpGenerator(nn.Module):
    """3D residual blocks under AdaGN, from a learned constant to an offset field.

    The paper's warp generators: input z + e, 3D residual blocks with adaptive GroupNorm, tanh.
    The last layer starts at zero, so that training starts at the rigid warp alone.

    Args:
        channels: width of each stage, coarse to fine; each stage but the first doubles the sides.
        volume_size: d, h, w of the field.
        z_dyn_dim: width of the dynamics code.
        z_id_dim: width of the identity code.
        condition_dim: width of the joint condition.
        max_offset: largest offset, in half volumes.
    """

    def __init__(
        self,
        *,
        channels: list[int],
        volume_size: tuple[int, int, int],
        z_dyn_dim: int,
        z_id_dim: int,
        condition_dim: int,
        max_offset: float,
    ) -> None:
        super().__init__()
        self.max_offset = max_offset
        factor = 2 ** (len(channels) - 1)
        depth, height, width = (side // factor for side in volume_size)
        self.from_dyn = nn.Linear(z_dyn_dim, condition_dim)
        self.from_id = nn.Linear(z_id_dim, condition_dim)
        self.start = nn.Parameter(torch.randn(1, channels[0], depth, height, width))
        self.blocks = nn.ModuleList()
        previous = channels[0]
        for count in channels:
            self.blocks.append(
                ResBlock(
                    in_channels=previous, out_channels=count, dims=3, condition_dim=condition_dim
                )
            )
            previous = count
        self.norm = group_norm(previous)
        self.to_offsets = nn.Conv3d(previous, 3, 3, padding=1)
        nn.init.zeros_(self.to_offsets.weight)
        nn.init.zeros_(self.to_offsets.bias)

    def forward(self, z_dyn: Tensor, z_id: Tensor) -> Tensor:
        """Dynamics `b m` and identity `b k` (or `1 k`) to offsets `b 3 d h w`."""
        condition = F.silu(self.from_dyn(z_dyn) + self.from_id(z_id))
        x = self.start.expand(len(condition), -1, -1, -1, -1)
        for index, block in enumerate(self.blocks):
            if index:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = block(x, condition)
        return self.max_offset * torch.tanh(self.to_offsets(F.silu(self.norm(x))).float())
