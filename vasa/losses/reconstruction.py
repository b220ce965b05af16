"""Reconstruction of the driver from the source (MegaPortraits sec. 3.1)."""

from torch import Tensor


def reconstruction_loss(result: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Weighted L1: mean of w |x_hat - x|.

    Args:
        result: `b 3 h w`.
        target: `b 3 h w`.
        weights: pixel weights of mean 1, `b 1 h w`.
    """
    return (weights * (result - target).abs()).mean()


def squared_error_loss(result: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Weighted squared error: mean of w (x_hat - x)^2.

    Unspecified in the paper. Beside L1 it tells large errors, an outline in the wrong place, from
    many small ones; with few steps that is what PSNR gains most from.

    Args:
        result: `b 3 h w`.
        target: `b 3 h w`.
        weights: pixel weights of mean 1, `b 1 h w`.
    """
    return (weights * (result - target).square()).mean()
