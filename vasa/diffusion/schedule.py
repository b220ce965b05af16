"""Noise schedules: how much of x0 is left at timestep t.

Timesteps run from 0 (clean, alpha_bar = 1) to T (noise), so that `q_sample` at t = 0 is x0.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

ScheduleName = Literal["linear", "cosine"]


@dataclass(frozen=True, kw_only=True)
class NoiseSchedule:
    """q(x_t | x_{t-1}) = N(sqrt(1 - beta_t) x_{t-1}, beta_t I) (VASA-1 sec. 3.2, below eq. 1).

    Unspecified in the paper: beta_t and T. `linear` is that of DDPM (Ho et al. 2020, 1e-4 to 0.02
    at T = 1000, scaled by 1000 / T), `cosine` that of Nichol and Dhariwal 2021.

    Attributes:
        name: `linear` or `cosine`.
        num_timesteps: T.
    """

    name: ScheduleName
    num_timesteps: int

    def __post_init__(self) -> None:
        if self.name not in ("linear", "cosine"):
            raise ValueError(f"expected schedule `linear` or `cosine`, got {self.name!r}")

    @cached_property
    def alpha_bars(self) -> Tensor:
        """alpha_bar_0 = 1, ..., alpha_bar_T, float64 `T + 1`."""
        make = _linear_betas if self.name == "linear" else _cosine_betas
        ones = torch.ones(1, dtype=torch.float64)
        return torch.cat((ones, torch.cumprod(1 - make(self.num_timesteps), dim=0)))

    def alpha_bar(self, t: Tensor) -> Tensor:
        """alpha_bar_t = prod_{s <= t} (1 - beta_s), float32, of the shape of the integer `t`."""
        return self.alpha_bars.to(t.device)[t].float()

    def q_sample(self, x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """x_t = sqrt(alpha_bar_t) x0 + sqrt(1 - alpha_bar_t) noise.

        Args:
            x0: clean motion, `b t m`.
            noise: standard normal, `b t m`.
            t: timesteps 0 .. T, `b`.
        """
        alpha_bar = self.alpha_bar(t).reshape(-1, *[1] * (x0.ndim - 1))
        return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * noise

    def noise_of(self, x_t: Tensor, x0: Tensor, t: Tensor) -> Tensor:
        """The noise that `q_sample` added: (x_t - sqrt(alpha_bar_t) x0) / sqrt(1 - alpha_bar_t)."""
        alpha_bar = self.alpha_bar(t).reshape(-1, *[1] * (x0.ndim - 1))
        return (x_t - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()


def _linear_betas(num_timesteps: int) -> Tensor:
    scale = 1000 / num_timesteps
    return torch.linspace(
        1e-4 * scale, min(2e-2 * scale, 0.999), num_timesteps, dtype=torch.float64
    )


def _cosine_betas(num_timesteps: int) -> Tensor:
    """beta_t = 1 - f(t) / f(t - 1), f(t) = cos^2(((t / T + s) / (1 + s)) pi / 2), s = 0.008."""
    times = torch.arange(num_timesteps + 1, dtype=torch.float64) / num_timesteps
    curve = torch.cos((times + 0.008) / 1.008 * math.pi / 2) ** 2
    return (1 - curve[1:] / curve[:-1]).clamp(max=0.999)
