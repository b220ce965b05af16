import pytest
import torch

from vasa.diffusion.schedule import NoiseSchedule


@pytest.fixture(params=["linear", "cosine"])
def schedule(request):
    return NoiseSchedule(name=request.param, num_timesteps=1000)


def test_alpha_bar_falls_from_one_to_nearly_zero(schedule):
    assert schedule.alpha_bars[0] == 1
    assert (schedule.alpha_bars.diff() < 0).all()
    assert 0 < schedule.alpha_bars[-1] < 1e-3


def test_alpha_bar_is_the_closed_form_of_the_cosine():
    schedule = NoiseSchedule(name="cosine", num_timesteps=1000)
    t = torch.tensor([1, 100, 500, 900])
    curve = torch.cos((t / 1000 + 0.008) / 1.008 * torch.pi / 2) ** 2
    start = torch.cos(torch.tensor(0.008 / 1.008 * torch.pi / 2)) ** 2
    torch.testing.assert_close(schedule.alpha_bar(t), curve / start, rtol=1e-4, atol=1e-6)


def test_q_sample_at_zero_is_x0(schedule):
    x0, noise = torch.randn(3, 5, 7), torch.randn(3, 5, 7)
    assert torch.equal(schedule.q_sample(x0, noise, torch.zeros(3, dtype=torch.long)), x0)


def test_q_sample_keeps_unit_variance(schedule):
    generator = torch.Generator().manual_seed(0)
    x0, noise = torch.randn(2, 200_000, 1, generator=generator).unbind(0)
    for t in (10, 400, 1000):
        x_t = schedule.q_sample(x0[None], noise[None], torch.tensor([t]))
        assert abs(float(x_t.var()) - 1) < 0.02


def test_the_linear_schedule_is_that_of_ddpm():
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    expected = torch.cat((torch.ones(1).double(), torch.cumprod(1 - betas, dim=0)))
    found = NoiseSchedule(name="linear", num_timesteps=1000).alpha_bars
    torch.testing.assert_close(found, expected)


def test_moments_given_x0(schedule):
    """q(x_t | x0) = N(sqrt(alpha_bar_t) x0, 1 - alpha_bar_t)."""
    noise = torch.randn(1, 200_000, 1, generator=torch.Generator().manual_seed(0))
    for t in (10, 400, 900):
        x_t = schedule.q_sample(torch.full_like(noise, 2.5), noise, torch.tensor([t]))
        left = float(schedule.alpha_bars[t])
        assert abs(float(x_t.mean()) - 2.5 * left**0.5) < 4 * ((1 - left) / 200_000) ** 0.5
        assert abs(float(x_t.var()) / (1 - left) - 1) < 4 * (2 / 200_000) ** 0.5


def test_step_by_step_is_q_sample(schedule):
    """Eq. 1's q(x_t | x_{t-1}), walked from x0 to t, has the moments that `q_sample` has."""
    betas = 1 - schedule.alpha_bars[1:] / schedule.alpha_bars[:-1]
    mean, variance = 1.0, 0.0
    for t in range(1, 701):
        beta = float(betas[t - 1])
        mean, variance = (1 - beta) ** 0.5 * mean, (1 - beta) * variance + beta
        if t in (1, 50, 700):
            one, t_ = torch.ones(1, 1, 1, dtype=torch.float64), torch.tensor([t])
            still = schedule.q_sample(one, torch.zeros_like(one), t_)
            moved = schedule.q_sample(torch.zeros_like(one), one, t_)
            assert float(still) == pytest.approx(mean, rel=1e-5)
            assert float(moved) ** 2 == pytest.approx(variance, rel=1e-3)


def test_noise_of_inverts_q_sample(schedule):
    x0, noise = torch.randn(4, 5, 7), torch.randn(4, 5, 7)
    t = torch.tensor([50, 300, 700, 1000])
    x_t = schedule.q_sample(x0, noise, t)
    torch.testing.assert_close(schedule.noise_of(x_t, x0, t), noise, rtol=1e-3, atol=1e-3)


def test_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="linear"):
        NoiseSchedule(name="quadratic", num_timesteps=10)
