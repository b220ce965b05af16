"""Losses of the face expert: measurements, identity over speakers, presence of a face."""

import torch
from torch import Tensor
from torch.nn import functional


def masked_smooth_l1(prediction: Tensor, target: Tensor, *, valid: Tensor) -> Tensor:
    """Smooth L1 (Girshick 2015, eq. 3) over valid rows; 0 when no row is valid.

    Args:
        prediction: `b ...`.
        target: like `prediction`.
        valid: True where the row's label can be trusted, `b`.
    """
    return _mean_over(functional.smooth_l1_loss(prediction, target, reduction="none"), valid)


def masked_squared_error(prediction: Tensor, target: Tensor, *, valid: Tensor) -> Tensor:
    """Half the squared error over valid rows; 0 when no row is valid.

    Of labels that are 0 most of the time, such as the weight of one emotion, the best guess under
    an absolute error is the median: 0, however much is known.

    Args:
        prediction: `b ...`.
        target: like `prediction`.
        valid: True where the row's label can be trusted, `b`.
    """
    return _mean_over(0.5 * (prediction - target).square(), valid)


def _mean_over(errors: Tensor, valid: Tensor) -> Tensor:
    """Mean of the rows that count."""
    rows = errors.flatten(1).mean(1)
    weight = valid.to(rows.dtype)
    return (rows * weight).sum() / weight.sum().clamp(min=1)


def cosine_margin_loss(
    embedding: Tensor, prototypes: Tensor, speaker: Tensor, *, scale: float, margin: float
) -> Tensor:
    """Large-margin cosine classification over speakers (CosFace, Wang et al. 2018, eq. 4).

        -log softmax_y( s (cos(e, w_y) - m),  s cos(e, w_k) for k != y )

    Args:
        embedding: L2-normalised, `b e`.
        prototypes: one direction a speaker, any length, `s e`.
        speaker: index of the true speaker, `b`.
        scale: s.
        margin: m.
    """
    cosine = embedding @ functional.normalize(prototypes, dim=-1).T
    taken = margin * functional.one_hot(speaker, len(prototypes)).to(cosine.dtype)
    return functional.cross_entropy(scale * (cosine - taken), speaker)


def presence_loss(face_logit: Tensor, other_logit: Tensor) -> Tensor:
    """Binary cross-entropy of faces against pictures of none, both sides of equal weight."""
    face = functional.softplus(-face_logit).mean()
    other = functional.softplus(other_logit).mean()
    return (face + other) / 2


def identity_auc(embedding: Tensor, speaker: Tensor) -> Tensor:
    """Area under the ROC curve of same/other-person verification by cosine; 0.5 is chance.

    The share of (same pair, other pair) in which the same person's pair is more alike
    (Mann-Whitney U). Range 0 to 1, higher is better.

    Args:
        embedding: L2-normalised, `b e`.
        speaker: person of each row, `b`.
    """
    above = torch.ones(len(speaker), len(speaker), dtype=torch.bool).triu(1)
    cosine = (embedding @ embedding.T)[above]
    same = (speaker[:, None] == speaker[None])[above]
    positive, negative = cosine[same], cosine[~same].sort().values
    below = torch.searchsorted(negative, positive, side="left")
    not_above = torch.searchsorted(negative, positive, side="right")
    return ((below + not_above) / 2 / len(negative)).mean()
