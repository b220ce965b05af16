"""z_pose from a picture, by way of where the landmarks are (VASA-1 sec. 3.1)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vasa.models.blocks import ImageTrunk, ResBlock, group_norm

NUM_LANDMARKS = 68


class PoseEncoder(nn.Module):
    """Heat maps of landmarks, their mean places, and a pose read off the places.

    MegaPortraits takes a pretrained pose network. Unspecified in the paper: its form; places of
    parts generalise to new people after fewer steps than maps flattened into a vector.

    Args:
        channels: stages of the trunk; each but the first halves the side.
        stem_stride: stride of its stem.
        blocks_per_stage: residual blocks a stage.
        hidden: width between places and pose.
    """

    def __init__(
        self, *, channels: list[int], stem_stride: int, blocks_per_stage: int, hidden: int
    ) -> None:
        super().__init__()
        self.trunk = ImageTrunk(
            channels=channels, stem_stride=stem_stride, blocks_per_stage=blocks_per_stage
        )
        fine, coarse = channels[-2], channels[-1]
        self.mix = ResBlock(in_channels=fine + coarse, out_channels=fine, dims=2)
        self.norm = group_norm(fine)
        self.to_heat = nn.Conv2d(fine, NUM_LANDMARKS, 1)
        self.to_pose = nn.Sequential(
            nn.Linear(2 * NUM_LANDMARKS, hidden), nn.SiLU(), nn.Linear(hidden, 6)
        )

    def landmarks(self, image: Tensor) -> Tensor:
        """Picture `b 3 h w` to iBUG-68 places in half pictures, `b 68 2`."""
        coarse, fine = self.trunk.last_two(image)
        enlarged = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
        mixed = self.mix(torch.cat((fine, enlarged), dim=1))
        heat = self.to_heat(F.silu(self.norm(mixed))).float()
        side = heat.shape[-1]
        weights = (8 * heat).flatten(2).softmax(-1).unflatten(-1, (side, side))
        axis = (torch.arange(side, device=heat.device) * 2 + 1) / side - 1
        x, y = (weights.sum(2) * axis).sum(-1), (weights.sum(3) * axis).sum(-1)
        return torch.stack((x, y), dim=-1)

    def pose(self, landmarks: Tensor) -> Tensor:
        """Places `b 68 2` to a pose `b 6`."""
        return self.to_pose(landmarks.flatten(1)).float()

    def forward(self, image: Tensor) -> Tensor:
        """Picture `b 3 h w` to yaw, pitch, roll, tx, ty, log scale, `b 6`."""
        return self.pose(self.landmarks(image))
