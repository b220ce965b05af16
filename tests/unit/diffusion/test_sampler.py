import pytest
import torch

from vasa.diffusion.sampler import DDIMSampler, draw_like, make_sampler, sampling_timesteps
from vasa.diffusion.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule(name="cosine", num_timesteps=1000)


def _generator():
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("num_steps", [1, 7, 50])
def test_timesteps_run_from_noise_to_clean(num_steps):
    steps = sampling_timesteps(num_timesteps=1000, num_steps=num_steps)
    assert steps[0] == 1000 and steps[-1] == 0 and len(steps) == num_steps + 1
    assert all(a > b for a, b in zip(steps, steps[1:], strict=False))


@pytest.mark.parametrize(
    "sampler",
    [
        DDIMSampler(schedule=SCHEDULE, num_steps=10, eta=0.0),
        DDIMSampler(schedule=SCHEDULE, num_steps=10, eta=1.0),
    ],
)
def test_oracle_gives_x0_exactly(sampler):
    x0 = torch.randn(2, 6, 4)
    out = sampler.sample(lambda x, t: x0, torch.randn(2, 6, 4), _generator())
    assert torch.equal(out, x0)


def test_ddim_stays_on_the_straight_path_of_its_noise():
    """With the oracle and eta = 0 every x_t is q_sample(x0, noise, t) of one noise."""
    x0, noise = torch.randn(1, 6, 4), torch.randn(1, 6, 4)
    start = torch.tensor([1000])
    seen = []

    def oracle(x, t):
        seen.append((x, t))
        return x0

    sampler = DDIMSampler(schedule=SCHEDULE, num_steps=10, eta=0.0)
    sampler.sample(oracle, SCHEDULE.q_sample(x0, noise, start), _generator())
    for x, t in seen:
        torch.testing.assert_close(x, SCHEDULE.q_sample(x0, noise, t), atol=1e-4, rtol=1e-4)


def test_ddpm_is_the_posterior_of_ho_et_al():
    """One step against q(x_s | x_t, x0) written as in Ho et al. 2020, eq. 6-7."""
    x0, noise = 0.3 * torch.randn(2, 6, 4), torch.randn(2, 6, 4)
    seen = []

    def oracle(x, t):
        seen.append((x, t))
        return x0

    sampler = make_sampler(name="ddpm", schedule=SCHEDULE, num_steps=25, eta=0.0)
    sampler.sample(oracle, noise, _generator())
    (x, t), (following, s) = seen[0], seen[1]
    bar_t, bar_s = (float(SCHEDULE.alpha_bars[int(time[0])]) for time in (t, s))
    beta = 1 - bar_t / bar_s
    mean = (bar_s**0.5 * beta * x0 + (1 - beta) ** 0.5 * (1 - bar_s) * x) / (1 - bar_t)
    variance = (1 - bar_s) * beta / (1 - bar_t)
    wanted = mean + variance**0.5 * draw_like(x, _generator())
    torch.testing.assert_close(following, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["ddim", "ddpm"])
def test_gaussian_data_come_back_with_their_moments(name):
    """For x0 ~ N(mu, s^2) the best x0 is known, and sampling with it gives mu and s."""
    mu, s = 0.7, 0.5

    def posterior_mean(x, t):
        bar = SCHEDULE.alpha_bar(t)[:, None, None]
        return mu + bar.sqrt() * s**2 * (x - bar.sqrt() * mu) / (bar * s**2 + 1 - bar)

    sampler = make_sampler(name=name, schedule=SCHEDULE, num_steps=200, eta=0.0)
    noise = torch.randn(1, 20_000, 1, generator=_generator())
    out = sampler.sample(posterior_mean, noise, _generator())
    assert abs(float(out.mean()) - mu) < 0.02
    assert abs(float(out.std()) - s) < 0.03


def test_draws_are_a_function_of_the_generator():
    assert torch.equal(
        draw_like(torch.zeros(3, 4), _generator()), draw_like(torch.zeros(3, 4), _generator())
    )


def test_too_many_steps_are_refused():
    with pytest.raises(ValueError, match="sampling steps"):
        sampling_timesteps(num_timesteps=10, num_steps=11)
