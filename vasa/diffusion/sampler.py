"""From noise to motion with an x0-predicting model."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from vasa.diffusion.schedule import NoiseSchedule

PredictX0 = Callable[[Tensor, Tensor], Tensor]
"""(x_t `b t m`, t `b`) -> x0 `b t m`."""


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

    def sample(self, predict_x0: PredictX0, noise: Tensor, generator: torch.Generator) -> Tensor:
        """Walk from `noise` (`b t m`, at T) to x0."""
        x = noise
        for t, s in zip(self.timesteps[:-1], self.timesteps[1:], strict=True):
            times = torch.full((len(x),), t, dtype=torch.long, device=x.device)
            x0 = predict_x0(x, times)
            if s == 0:
                return x0
            bar_t, bar_s = (float(self.schedule.alpha_bars[i]) for i in (t, s))
            sigma = self.eta * ((1 - bar_s) / (1 - bar_t) * (1 - bar_t / bar_s)) ** 0.5
            eps = self.schedule.noise_of(x, x0, times)
            x = bar_s**0.5 * x0 + max(1 - bar_s - sigma**2, 0.0) ** 0.5 * eps
            if sigma > 0:
                x = x + sigma * draw_like(x, generator)
        raise AssertionError("the last timestep is 0")


def make_sampler(*, name: str, schedule: NoiseSchedule, num_steps: int, eta: float) -> DDIMSampler:
    """The sampler of a name: `ddim`, or `ddpm`, which is DDIM at eta = 1 and takes no other."""
    if name == "ddim":
        return DDIMSampler(schedule=schedule, num_steps=num_steps, eta=eta)
    if name == "ddpm":
        if eta not in (0, 1):
            warnings.warn("eta has no effect on the sampler ddpm", stacklevel=2)
        return DDIMSampler(schedule=schedule, num_steps=num_steps, eta=1.0)
    raise ValueError(f"expected sampler ddim or ddpm, got {name!r}")


def draw_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal noise of x's shape, drawn where the generator lives."""
    noise = torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype)
    return noise.to(x.device)
