"""The two-class contrastive loss that SyncNet was published with."""

from torch import Tensor
from torch.nn import functional


def margin_contrastive_loss(
    video: Tensor, audio: Tensor, is_match: Tensor, *, margin: float
) -> Tensor:
    """Pulls pairs that belong together, pushes others apart as far as a margin.

    Chung and Zisserman 2016 ("Out of time", sec. 2; the loss of Chopra, Hadsell and LeCun 2005):

        L = 1/(2N) sum_n  y_n d_n^2 + (1 - y_n) max(margin - d_n, 0)^2,   d_n = || v_n - a_n ||

    A network that has learned nothing, and of whose pairs half match, stays at margin^2 / 8: there
    all distances are margin / 2. That is the plateau of this loss, as ln 2 = 0.69 is that of a
    binary cross entropy.

    Args:
        video: embeddings of lips, not normalised, `n e`.
        audio: embeddings of the sound that each is paired with, `n e`.
        is_match: y, whether that is its own sound, bool `n`.
        margin: distance beyond which a pair that does not match costs nothing.
    """
    distance = functional.pairwise_distance(video, audio, eps=0.0)
    match = is_match.to(distance.dtype)
    pulled, pushed = distance.square(), (margin - distance).clamp(min=0).square()
    return (match * pulled + (1 - match) * pushed).mean() / 2
