"""From noise to motion with an x0-predicting model.

Rows of a batch never share randomness: each has a generator of its own, on the CPU, so that a row's
motion depends neither on the batch that it is in nor on the device.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from vasa.diffusion.schedule import NoiseSchedule

PredictX0 = Callable[[Tensor, Tensor], Tensor]
"""(x_t `b t m`, t `b`) -> x0 `b t m`."""

SAMPLERS = ("ddim", "ddpm", "dpm++")


class Sampler(Protocol):
    """Walks from noise to x0."""

    def sample(
        self, predict_x0: PredictX0, noise: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """Walk from `noise` (`b t m`, at T) to x0; fresh noise of row i is from `generators[i]`."""
        ...


def sampling_timesteps(*, num_timesteps: int, num_steps: int) -> list[int]:
    """Evenly spaced timesteps from T down to 0, `num_steps` + 1 of them."""
    if not 1 <= num_steps <= num_timesteps:
        raise ValueError(f"expected 1 to {num_timesteps} sampling steps, got {num_steps}")
    steps = torch.linspace(num_timesteps, 0, num_steps + 1).round()
    return [int(step) for step in steps]


class DDIMSampler:
    """Denoising diffusion implicit models (Song et al. 2021, eq. 12).

    x_s = sqrt(alpha_bar_s) x0 + sqrt(1 - alpha_bar_s - sigma^2) eps + sigma z,
    sigma = eta sqrt((1 - alpha_bar_s) / (1 - alpha_bar_t)) sqrt(1 - alpha_bar_t / alpha_bar_s).

    Unspecified in the paper: the sampler; it gives 50 steps. eta = 0 is deterministic; eta = 1 is
    ancestral sampling, DDPM (Ho et al. 2020, eq. 6-7), over the same timesteps.

    Args:
        schedule: the one of the training.
        num_steps: evaluations of the model.
        eta: share of fresh noise, 0 to 1.
    """

    def __init__(self, *, schedule: NoiseSchedule, num_steps: int, eta: float) -> None:
        self.schedule = schedule
        self.eta = eta
        self.timesteps = sampling_timesteps(
            num_timesteps=schedule.num_timesteps, num_steps=num_steps
        )

    def sample(
        self, predict_x0: PredictX0, noise: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """See `Sampler`."""
        x = noise
        for t, s in zip(self.timesteps[:-1], self.timesteps[1:], strict=True):
            times = _times(x, t)
            x0 = predict_x0(x, times)
            if s == 0:
                return x0
            bar_t, bar_s = (float(self.schedule.alpha_bars[i]) for i in (t, s))
            sigma = self.eta * ((1 - bar_s) / (1 - bar_t) * (1 - bar_t / bar_s)) ** 0.5
            eps = self.schedule.noise_of(x, x0, times)
            x = bar_s**0.5 * x0 + max(1 - bar_s - sigma**2, 0.0) ** 0.5 * eps
            if sigma > 0:
                x = x + sigma * draw_rows(x.shape[1:], generators).to(x)
        raise AssertionError("the last timestep is 0")


class DPMSolverSampler:
    """DPM-Solver++(2M), data prediction, multistep (Lu et al. 2022, algorithm 2).

    With alpha = sqrt(alpha_bar), sigma = sqrt(1 - alpha_bar), lambda = log(alpha / sigma) and
    h = lambda_s - lambda_t:

        x_s = sigma_s / sigma_t x_t - alpha_s (exp(-h) - 1) D,
        D = (1 + 1 / (2 r)) x0_t - 1 / (2 r) x0_before,   r = h_before / h.

    Deterministic. The timesteps are those of the other samplers, even in t rather than in lambda:
    the model knows whole timesteps only, and numbers of steps compare. The first step has no x0
    before it, and lambda is infinite at the last timestep, 0: both are of first order, D = x0_t,
    and the walk ends at the last x0 itself.

    Args:
        schedule: the one of the training.
        num_steps: evaluations of the model.
        order: 2; 1 never looks back and is DDIM with eta = 0.
    """

    def __init__(self, *, schedule: NoiseSchedule, num_steps: int, order: int = 2) -> None:
        if order not in (1, 2):
            raise ValueError(f"expected order 1 or 2 of DPM-Solver++, got {order}")
        self.schedule = schedule
        self.order = order
        self.timesteps = sampling_timesteps(
            num_timesteps=schedule.num_timesteps, num_steps=num_steps
        )

    def sample(
        self, predict_x0: PredictX0, noise: Tensor, generators: Sequence[torch.Generator]
    ) -> Tensor:
        """See `Sampler`; `generators` are left alone."""
        x, x0_before, h_before = noise, None, 0.0
        for t, s in zip(self.timesteps[:-1], self.timesteps[1:], strict=True):
            x0 = predict_x0(x, _times(x, t))
            if s == 0:
                return x0
            bar_t, bar_s = (float(self.schedule.alpha_bars[i]) for i in (t, s))
            h = _log_snr(bar_s) - _log_snr(bar_t)
            estimate = x0
            if self.order == 2 and x0_before is not None:
                share = h / (2 * h_before)
                estimate = (1 + share) * x0 - share * x0_before
            kept = ((1 - bar_s) / (1 - bar_t)) ** 0.5
            x = kept * x - bar_s**0.5 * math.expm1(-h) * estimate
            x0_before, h_before = x0, h
        raise AssertionError("the last timestep is 0")


def make_sampler(*, name: str, schedule: NoiseSchedule, num_steps: int, eta: float) -> Sampler:
    """The sampler of a name: `ddim`; `ddpm`, which is DDIM at eta = 1; or `dpm++`."""
    if name not in SAMPLERS:
        raise ValueError(f"expected sampler {', '.join(SAMPLERS)}, got {name!r}")
    if name == "ddim":
        return DDIMSampler(schedule=schedule, num_steps=num_steps, eta=eta)
    if eta not in ((0, 1) if name == "ddpm" else (0,)):
        warnings.warn(f"eta has no effect on the sampler {name}", stacklevel=2)
    if name == "ddpm":
        return DDIMSampler(schedule=schedule, num_steps=num_steps, eta=1.0)
    return DPMSolverSampler(schedule=schedule, num_steps=num_steps)


def draw_rows(shape: Sequence[int], generators: Sequence[torch.Generator]) -> Tensor:
    """Standard normal float32 noise on the CPU, a row of `shape` from each generator, `b ...`."""
    return torch.stack([torch.randn(tuple(shape), generator=one) for one in generators])


def _log_snr(alpha_bar: float) -> float:
    """lambda = log(alpha / sigma), half the logarithm of the signal-to-noise ratio."""
    return 0.5 * math.log(alpha_bar / (1 - alpha_bar))


def _times(x: Tensor, t: int) -> Tensor:
    return torch.full((len(x),), t, dtype=torch.long, device=x.device)
