"""VASA-1's pose and dynamics transfer consistency (sec. 3.1, item 3 of the losses)."""

from collections.abc import Callable

from torch import Tensor

from vasa.losses.foreground import weighted_mean
from vasa.losses.perceptual import Features, perceptual_loss


def transfer_consistency_loss(
    posed: Tensor,
    animated: Tensor,
    features: Features,
    *,
    perceptual_weight: float,
    weights: Tensor | None = None,
    across: Callable[[Tensor], Tensor] = lambda mean: mean,
) -> Tensor:
    """Discrepancy of two pictures that must be the same.

    Frame j given the pose of i, and frame i given the dynamics of j:
    I_hat(j <- pose_i) = D(V_j, id_j, pose_i, dyn_j); I_hat(i <- dyn_j) = D(V_i, id_i, pose_i,
    dyn_j). Unspecified in the paper: the discrepancy; here L1 plus a perceptual distance, the
    latter with its gradient into `posed` alone. Where the camera or what stands behind the head
    differs between i and j, only the head can be the same: weights say where it is.

    Args:
        posed: I_hat(j <- pose_i), `b 3 h w`.
        animated: I_hat(i <- dyn_j), `b 3 h w`.
        features: the perceptual distance's network.
        perceptual_weight: weight of the perceptual part against L1.
        weights: of pixels, `b 1 h w`; None: all alike.
        across: as in `perceptual_loss`.
    """
    distance = weighted_mean((posed - animated).abs(), weights)
    return distance + perceptual_weight * perceptual_loss(
        posed, animated, features, weights=weights, across=across
    )
