"""Perceptual distance on the features of a frozen network (MegaPortraits sec. 3.1, L_per)."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vasa.losses.foreground import weighted_mean

Features = Callable[[Tensor], Sequence[Tensor]]


def perceptual_loss(
    result: Tensor,
    target: Tensor,
    features: Features,
    *,
    layer_weights: Sequence[float] | None = None,
    weights: Tensor | None = None,
    is_relative: bool = True,
    across: Callable[[Tensor], Tensor] = lambda mean: mean,
) -> Tensor:
    """L1 between feature maps, each in units of the target's mean magnitude, mean over maps.

        sum_k l_k E_w |f_k(x_hat) - f_k(x)| / E_w |f_k(x)|  /  sum_k l_k

    The paper's is on VGG19 and VGGFace features and without the division (`is_relative=False`),
    which its weights (20, 4 and 5) belong to. Which network is used here is passed in and is
    named with the results.

    Args:
        result: `b 3 h w`; gradients flow through it.
        target: `b 3 h w`; none do.
        features: pictures to a list of maps `b c h w`.
        layer_weights: l_k, one a map; all alike without.
        weights: foreground weights, `b 1 h' w'`, carried to each map's size.
        is_relative: whether each map is measured in units of the target's mean magnitude.
        across: that magnitude over all processes, from their own ones.
    """
    with torch.no_grad():
        wanted = features(target)
    distances: list[Tensor] = []
    for found, aim in zip(features(result), wanted, strict=True):
        distance = weighted_mean((found.float() - aim.float()).abs(), weights)
        if is_relative:
            magnitude = across(weighted_mean(aim.float().abs(), weights))
            distance = distance / magnitude.clamp(min=1e-6)
        distances.append(distance)
    stacked = torch.stack(distances)
    if layer_weights is None:
        return stacked.mean()
    assert len(layer_weights) == len(stacked), (
        f"{len(layer_weights)} layer weights for {len(stacked)} feature maps"
    )
    layers = stacked.new_tensor(list(layer_weights))
    return (layers * stacked).sum() / layers.sum()
