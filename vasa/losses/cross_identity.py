"""VASA-1's cross-identity identity loss (sec. 3.1, item 4 of the losses)."""

from torch import Tensor


def cross_identity_loss(embedding: Tensor, source_embedding: Tensor) -> Tensor:
    """1 - cos(phi(I_s), phi(D(V_s, id_s, pose_d, dyn_d))) for another person d.

    The paper's phi is ArcFace; which network is used here is named with the results.

    Args:
        embedding: L2-normalised embedding of the result, `b e`.
        source_embedding: of the source picture, `b e`; no gradient flows into it.
    """
    return 1 - (embedding * source_embedding.detach()).sum(-1).mean()
