"""Feature matching: results must look like their targets to the discriminator, layer by layer."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vasa.losses.foreground import weighted_mean


def feature_matching_loss(
    fake: Sequence[Sequence[Tensor]],
    real: Sequence[Sequence[Tensor]],
    *,
    weights: Tensor | None = None,
) -> Tensor:
    """L_FM (MegaPortraits eq. 5, after Wang et al. 2018b, pix2pixHD, eq. 4).

        mean_scales mean_layers E | D_k(x) - D_k(x_hat) |

    Unspecified in the paper: sums or means over scales and layers; means, so that the weight does
    not depend on how many there are.

    Args:
        fake: the discriminator's maps of results, for each scale a list of `b c h w`.
        real: its maps of the targets; no gradient flows into them.
        weights: foreground weights of the pictures, `b 1 h' w'`.
    """
    scales = [
        torch.stack(
            [
                weighted_mean((found.float() - aim.detach().float()).abs(), weights)
                for found, aim in zip(found_maps, aim_maps, strict=True)
            ]
        ).mean()
        for found_maps, aim_maps in zip(fake, real, strict=True)
    ]
    return torch.stack(scales).mean()
