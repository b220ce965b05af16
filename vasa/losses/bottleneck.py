"""How much the dynamics code may say."""

from torch import Tensor


def bottleneck_loss(code: Tensor, *, sigma: float) -> Tensor:
    """Information of a code under noise: KL(N(mu, sigma^2) || N(0, sigma^2)) in nats, mean.

    = 1/2 sum_k (mu_k / sigma)^2. Unspecified in the paper: VASA-1 does not say what keeps
    appearance and pose out of z_dyn but its pairwise losses. What the source already shows is not
    worth its price here, so identity and head pose leave the code.

    Args:
        code: mu, before noise, `b m`.
        sigma: standard deviation of the noise added to it.
    """
    return 0.5 * (code / sigma).square().sum(-1).mean()
