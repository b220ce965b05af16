"""Non-rigid motion from z_dyn and z_id (MegaPortraits sec. 3.1, W_{s->} and W_{->d})."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vasa.models.blocks import ResBlock, group_norm


class WarpGenerator(nn.Module):
    """3D residual blocks under AdaGN, from a learned constant to a field of offsets.

    The paper's warp generators: input z + e, 3D residual blocks with adaptive GroupNorm, tanh.
    The last layer starts at zero, so that training starts at the rigid warp alone.

    Differs from the paper: the driver's generator may also give a residual, added to the first
    channels of the canonical volume. A warp moves what the source shows; the inside of a mouth
    that the source keeps shut has to come from elsewhere, in its place on the head.

    Args:
        channels: width of each stage, coarse to fine; each stage but the first doubles h and w.
        field_size: d, h, w of the field.
        start_depth: depth of the learned constant; the last stages double it, as many as it takes
            to reach the field's.
        z_dyn_dim: width of the dynamics code.
        z_id_dim: width of the identity code.
        condition_dim: width of the joint condition.
        max_offset: largest offset, in half volumes.
        residual_channels: channels of the residual; 0 for none.
    """

    def __init__(
        self,
        *,
        channels: list[int],
        field_size: list[int],
        start_depth: int,
        z_dyn_dim: int,
        z_id_dim: int,
        condition_dim: int,
        max_offset: float,
        residual_channels: int,
    ) -> None:
        super().__init__()
        self.max_offset = max_offset
        depth, height, width = field_size
        factor = 2 ** (len(channels) - 1)
        self.num_deepened = max(0, (depth // start_depth).bit_length() - 1)
        if start_depth * 2**self.num_deepened != depth or self.num_deepened >= len(channels):
            raise ValueError(
                f"expected a warp field's depth of {start_depth} times 1, 2, 4 ... with at most "
                f"{len(channels) - 1} doublings, got {depth}; change warp_start_depth or warp_size"
            )
        self.from_dyn = nn.Linear(z_dyn_dim, condition_dim)
        self.from_id = nn.Linear(z_id_dim, condition_dim)
        self.start = nn.Parameter(
            torch.randn(1, channels[0], start_depth, height // factor, width // factor)
        )
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
        self.to_field = nn.Conv3d(previous, 3 + residual_channels, 1)
        nn.init.zeros_(self.to_field.weight)
        nn.init.zeros_(self.to_field.bias)  # type: ignore[arg-type]

    def forward(self, z_dyn: Tensor, z_id: Tensor) -> tuple[Tensor, Tensor]:
        """Offsets `b 3 d h w` and residual `b r d h w` of a motion on a head.

        Args:
            z_dyn: `b m`.
            z_id: `b k` or `1 k`.
        """
        condition = F.silu(self.from_dyn(z_dyn) + self.from_id(z_id))
        x = self.start.expand(len(condition), -1, -1, -1, -1)
        first_deepened = len(self.blocks) - self.num_deepened
        for index, block in enumerate(self.blocks):
            if index:
                deeper = 2.0 if index >= first_deepened else 1.0
                x = F.interpolate(x, scale_factor=(deeper, 2.0, 2.0), mode="nearest")
            x = block(x, condition)
        field = self.to_field(F.silu(self.norm(x))).float()
        return self.max_offset * torch.tanh(field[:, :3]), field[:, 3:]
