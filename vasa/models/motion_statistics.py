"""Means and deviations of the training split, and the module that applies them."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class MotionStatistics:
    """Statistics of a motion set's training split.

    Attributes:
        motion_mean: of [z_pose, z_dyn], `m`.
        motion_std: `m`.
        audio_mean: of the audio features, `f`.
        audio_std: `f`.
        gaze_mean: of the per-frame gaze in rad, `2`.
        gaze_std: `2`.
        distance_mean: of the head distance, `1`.
        distance_std: `1`.
        stage1_hash: SHA-256, in hex, of the stage-1 net that made the motion.
    """

    motion_mean: Tensor
    motion_std: Tensor
    audio_mean: Tensor
    audio_std: Tensor
    gaze_mean: Tensor
    gaze_std: Tensor
    distance_mean: Tensor
    distance_std: Tensor
    stage1_hash: str


class Standardiser(nn.Module):
    """(x - mean) / std over the last dimension, and back; mean and std are buffers.

    Args:
        num_channels: size of the last dimension.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_channels))
        self.register_buffer("std", torch.ones(num_channels))

    def set(self, mean: Tensor, std: Tensor) -> None:
        """Take over statistics; a channel that never varies is only centred."""
        self.mean.copy_(mean)
        self.std.copy_(torch.where(std > 1e-6, std, torch.ones_like(std)))

    def forward(self, values: Tensor) -> Tensor:
        return (values - self.mean) / self.std

    def inverse(self, values: Tensor) -> Tensor:
        """Standardised values back to their own units."""
        return values * self.std + self.mean
