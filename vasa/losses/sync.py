"""The contrastive loss of SyncNet: which moment's sound belongs to these lips."""

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional


def sync_contrastive_loss(video: Tensor, audio: Tensor, *, temperature: Tensor | float) -> Tensor:
    """InfoNCE over time shifts (Chung, Chung and Kang 2019, "Perfect match", eq. 2-3), both ways.

    Every window of every clip is a candidate. Most negatives of the hardest kind come from the
    same clip at other times, so that only timing, and no trait of the person, tells them apart.

        -1/2 log softmax_j(v_i . a_j / tau)[i]  - 1/2 log softmax_j(a_i . v_j / tau)[i]

    What differs: SyncNet's two-class contrastive loss is replaced by this multi-way form.

    Args:
        video: L2-normalised embeddings of consecutive windows, `b t e`.
        audio: the same of the sound, `b t e`.
        temperature: tau > 0.
    """
    windows, sounds = rearrange(video, "b t e -> (b t) e"), rearrange(audio, "b t e -> (b t) e")
    return _two_way(windows @ sounds.T / temperature)


def within_clip_loss(video: Tensor, audio: Tensor, *, temperature: Tensor | float) -> Tensor:
    """The same with negatives of the same clip alone: timing and nothing else."""
    logits = torch.einsum("b i e, b j e -> b i j", video, audio) / temperature
    return torch.stack([_two_way(clip) for clip in logits]).mean()


def _two_way(logits: Tensor) -> Tensor:
    index = torch.arange(len(logits), device=logits.device)
    return (functional.cross_entropy(logits, index) + functional.cross_entropy(logits.T, index)) / 2
