"""The adversarial game of stage 1: hinge losses over a multi-scale patch discriminator."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from vasa.losses.foreground import weighted_mean


def discriminator_hinge_loss(
    real: Sequence[Tensor], fake: Sequence[Tensor], *, weights: Tensor | None = None
) -> Tensor:
    """Hinge loss of the discriminator (MegaPortraits sec. 3.1, hinge adversarial loss).

        mean_scales( E max(0, 1 - D(x)) + E max(0, 1 + D(x_hat)) )

    2 where the discriminator says nothing, 0 where it is sure by a margin of 1.

    Args:
        real: logits of true pictures, a map `b 1 h w` for each scale.
        fake: logits of results; give detached results, so that no gradient reaches the generator.
        weights: foreground weights of the pictures, `b 1 h' w'`; all patches count alike without.
    """
    assert len(real) == len(fake) > 0, f"{len(real)} scales of real, {len(fake)} of fake"
    terms = [
        weighted_mean(F.relu(1 - yes.float()), weights)
        + weighted_mean(F.relu(1 + no.float()), weights)
        for yes, no in zip(real, fake, strict=True)
    ]
    return torch.stack(terms).mean()


def generator_hinge_loss(fake: Sequence[Tensor], *, weights: Tensor | None = None) -> Tensor:
    """L_adv of the generator (MegaPortraits eq. 5): mean_scales( -E D(x_hat) ).

    Not bounded below: only the discriminator's own training keeps it in place.

    Args:
        fake: logits of results, a map `b 1 h w` for each scale.
        weights: foreground weights of the pictures, `b 1 h' w'`.
    """
    return torch.stack([weighted_mean(-logits.float(), weights) for logits in fake]).mean()
