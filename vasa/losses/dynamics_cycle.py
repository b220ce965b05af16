"""Cycle consistency of the dynamics code: a result must show the driver's dynamics, no more."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class CycleCodes:
    """Dynamics codes of one step, each `b m`, any length; (s, d) one video, (s*, d*) another.

    Attributes:
        result: z_{s->d}, read off the picture of s driven by d.
        cross_result: z_{s*->d}, read off the picture of s* driven by d.
        driver: z_d.
        other_driver: z_{d*}.
    """

    result: Tensor
    cross_result: Tensor
    driver: Tensor
    other_driver: Tensor


def _cosine(first: Tensor, second: Tensor) -> Tensor:
    """`b`."""
    return (F.normalize(first.float(), dim=-1) * F.normalize(second.float(), dim=-1)).sum(-1)


def dynamics_cycle_loss(codes: CycleCodes, *, scale: float, margin: float) -> Tensor:
    """Large-margin cosine loss over pairs of dynamics codes (MegaPortraits eq. 6-7).

        d(z_i, z_j) = s (<z_i, z_j> - m)                                        (eq. 6)
        L_cos = - sum_{p in P} log( exp d_p / (exp d_p + sum_{n in N} exp s <n>) )   (eq. 7)
        P = {(z_{s->d}, z_d), (z_{s*->d}, z_d)},  N = {(z_{s->d}, z_{d*}), (z_{s*->d}, z_{d*})}

    with codes of unit length; a sum over both positive pairs, a mean over the batch. In closed
    form, positives of cosine a and negatives of cosine b: 2 log(1 + 2 exp(s (b - a + m))).

    Differs from the paper: eq. 7 prints d, with its margin, for the negative pairs too, where m
    cancels out; as in CosFace (Wang et al. 2018), which it names, the margin is taken from the
    positive pairs alone. Unspecified in the paper: whether gradients flow into z_d and z_{d*};
    they do, detach them outside if they should not.

    Args:
        codes: of predicted and driver frames.
        scale: s (5 in the paper).
        margin: m (0.2 in the paper).
    """
    negative = torch.stack(
        (
            _cosine(codes.result, codes.other_driver),
            _cosine(codes.cross_result, codes.other_driver),
        ),
        dim=-1,
    )
    total = negative.new_zeros(())
    for found in (codes.result, codes.cross_result):
        positive = _cosine(found, codes.driver)[:, None] - margin
        logits = scale * torch.cat((positive, negative), dim=-1)
        total = total - logits.log_softmax(dim=-1)[:, 0].mean()
    return total
