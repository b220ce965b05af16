"""The diffusion loss of stage 2."""

import torch
from einops import rearrange
from torch import Tensor


def x0_loss(prediction: Tensor, x0: Tensor, frame_mask: Tensor, *, order: int = 0) -> Tensor:
    """E_{t, X0, C} || X0 - H(X_t, t, C) ||^2 (VASA-1 eq. 1), a mean over valid frames.

    Unspecified in the paper: the same of differences in time, order 1 of velocity and order 2 of
    acceleration. A difference counts where all its frames do.

    Args:
        prediction: H(X_t, t, C), standardised motion, `b t m`.
        x0: standardised motion, `b t m`.
        frame_mask: True = valid; padding and previous frames are not, `b t`.
        order: of the differences.

    Returns:
        Mean over valid frames and dimensions, a scalar; 0 where nothing is valid.
    """
    errors = torch.diff(prediction - x0, n=order, dim=1)
    valid = rearrange(difference_mask(frame_mask, order).to(x0.dtype), "b t -> b t 1")
    return (errors.square() * valid).sum() / (valid.sum() * x0.shape[-1]).clamp(min=1)


def difference_mask(frame_mask: Tensor, order: int) -> Tensor:
    """Differences in time of which all frames are valid: `b t` to `b (t - order)`."""
    for _ in range(order):
        frame_mask = frame_mask[:, 1:] & frame_mask[:, :-1]
    return frame_mask
