"""The contrastive loss of CAPP: which window's sound belongs to this head motion."""

import torch
from torch import Tensor
from torch.nn import functional


def symmetric_contrastive_loss(
    pose: Tensor, audio: Tensor, *, temperature: Tensor | float
) -> Tensor:
    """The loss of CLIP (Radford et al. 2021, fig. 3), which VASA-1 sec. 4.2 trains CAPP by.

        -1/2 log softmax_j(p_i . a_j / tau)[i]  - 1/2 log softmax_j(a_i . p_j / tau)[i]

    Every other row of the batch is a negative. Chance is log b.

    Args:
        pose: L2-normalised embeddings of windows of head pose, `b e`.
        audio: those of the same windows' sound, `b e`.
        temperature: tau > 0.
    """
    logits = pose @ audio.T / temperature
    own = torch.arange(len(logits), device=logits.device)
    return (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
