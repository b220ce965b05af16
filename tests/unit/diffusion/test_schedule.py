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


def test_noise_of_inverts_q_sample(schedule):
    x0, noise = torch.randn(4, 5, 7), torch.randn(4, 5, 7)
    t = torch.tensor([50, 300, 700, 1000])
    x_t = schedule.q_sample(x0, noise, t)
    torch.testing.assert_close(schedule.noise_of(x_t, x0, t), noise, rtol=1e-3, atol=1e-3)


def test_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="linear"):
        NoiseSchedule(name="quadratic", num_timesteps=10)
