"""The diffusion loss of stage 2."""

import torch
from einops import rearrange
from torch import Tensor


def x0_loss(prediction: Tensor, x0: Tensor, frame_mask: Tensor, weights: Tensor) -> Tensor:
    """E_{t, X0, C} || X0 - H(X_t, t, C) ||^2 (VASA-1 eq. 1), a mean over valid frames.

    Args:
        prediction: H(X_t, t, C), standardised motion, `b t m`.
        x0: standardised motion, `b t m`.
        frame_mask: True = valid; padding and previous frames are not, `b t`.
        weights: weight of each motion dimension, mean 1, `m`.

    Returns:
        Mean over valid frames and dimensions, a scalar; 0 where nothing is valid.
    """
    valid = rearrange(frame_mask.to(x0.dtype), "b t -> b t 1")
    errors = (prediction - x0).square() * valid * weights
    return errors.sum() / (valid.sum() * x0.shape[-1]).clamp(min=1)


def part_weights(*, num_pose: int, num_dyn: int, pose: float, dyn: float) -> Tensor:
    """Weights of the dimensions of [z_pose, z_dyn], scaled to mean 1, `m`.

    Unspecified in the paper: how pose and dynamics are weighed; equal weights are eq. 1.
    """
    weights = torch.cat((torch.full((num_pose,), pose), torch.full((num_dyn,), dyn)))
    return weights / weights.mean()
