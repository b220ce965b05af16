"""What must not be readable off the dynamics code: where the head points, and who it is."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Leaks:
    """Shares of what a linear probe finds; 0 for nothing.

    Attributes:
        pose: R2 of the head's angles.
        identity: share of the code's variance that lies between people.
    """

    pose: Tensor
    identity: Tensor


class CodeLeak(nn.Module):
    """How far the head's angles and the person can be read off the code, by linear probes.

        A          = (E[z z^T] + sigma^2 I)^-1
        L_pose     = 1/3 E[ s^T (E[s z^T] A z) ]
        L_identity = 1/m E[ z_i^T A z_j ]

    of centred codes z `m` under noise of deviation sigma, and standardised angles s: the R2 of the
    best linear probe of the angles; and, over pairs (i, j) of frames of one person, the share of
    the code's variance that lies between people, which is only a leak where the two frames' states
    are independent. Moments are taken over a memory of the last codes, so that the encoder plays
    against the best probe and not against one that has to keep up; the gradient reaches the codes
    of the batch alone.

    Unspecified in the paper: VASA-1 names the transfer-consistency and cross-identity losses, which
    act on pictures and do not forbid a code to hold what the decoder ignores; a motion model would
    have to generate it all the same.

    Args:
        z_dyn_dim: width of the code.
        memory: codes kept.
        sigma: standard deviation of the noise that is added to the code.
    """

    codes: Tensor
    angles: Tensor
    filled: Tensor

    def __init__(self, *, z_dyn_dim: int, memory: int, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma
        self.register_buffer("codes", torch.zeros(memory, z_dyn_dim))
        self.register_buffer("angles", torch.zeros(memory, 3))
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))

    def forward(
        self,
        code: Tensor,
        *,
        pose: Tensor,
        gather: Callable[[Tensor], Tensor] = lambda rows: rows,
    ) -> Leaks:
        """Both leaks, 0 until the memory is full.

        Args:
            code: of the sources, then of the drivers, as encoded, without noise, `2b m`.
            pose: labels, `2b 6`.
            gather: rows of all processes from own ones; the memory is of all.
        """
        code, angles = code.float(), pose[:, :3].float()
        none = code.sum() * 0
        leaks = Leaks(pose=none, identity=none)
        if int(self.filled) >= len(self.codes):
            leaks = self._leaks(code, angles)
        self._remember(gather(code.detach()), gather(angles))
        return leaks

    @torch.no_grad()
    def _remember(self, code: Tensor, angles: Tensor) -> None:
        """What is not finite is left out: it would spoil every step until it is written over."""
        places = (self.filled + torch.arange(len(code), device=code.device)) % len(self.codes)
        finite = (code.isfinite().all(-1) & angles.isfinite().all(-1))[:, None]
        self.codes[places] = torch.where(finite, code, self.codes[places])
        self.angles[places] = torch.where(finite, angles, self.angles[places])
        self.filled += len(code)

    def _leaks(self, code: Tensor, angles: Tensor) -> Leaks:
        with torch.no_grad():
            mean, middle = self.codes.mean(0), self.angles.mean(0)
            spread = self.angles.std(0).clamp(min=1e-3)
            z, s = self.codes - mean, (self.angles - middle) / spread
            noise = self.sigma**2 * torch.eye(z.shape[1], device=z.device)
            inverse = torch.inverse(z.T @ z / len(z) + noise)
            probe = inverse @ (z.T @ s / len(z))
        centred = code - mean
        first, second = centred.chunk(2)
        return Leaks(
            pose=((angles - middle) / spread * (centred @ probe)).mean(),
            identity=((first @ inverse) * second).sum(-1).mean() / code.shape[1],
        )
