from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import torch

from vasa.diffusion.guidance import Guidance, guided_x0
from vasa.models.conditions import Conditions


@dataclass
class LinearModel:
    """H = x_t + mean audio (or 10) + gaze (or 1): what each variant gives is known."""

    calls: int = 0
    rows: int = 0

    def given(self, conditions, *, batch, num_frames):
        return lambda x_t, t: self(x_t, t, conditions)

    def __call__(self, x_t, t, conditions):
        self.calls += 1
        self.rows += len(x_t)
        full = conditions.with_full_masks()
        audio = torch.where(full.audio_mask[..., None], full.audio, torch.tensor(10.0))
        gaze = torch.ones(len(x_t), 2)
        if full.gaze is not None:
            gaze = torch.where(full.gaze_mask[:, None], full.gaze, gaze)
        return x_t + audio.mean(dim=-1, keepdim=True) + gaze.sum(dim=-1)[:, None, None]


def _inputs():
    torch.manual_seed(0)
    conditions = Conditions(audio=torch.randn(2, 5, 3), gaze=torch.randn(2, 2))
    return torch.randn(2, 5, 4), torch.tensor([7, 900]), conditions


@pytest.mark.parametrize("scales", [{}, {"audio": 0.0, "gaze": 0.0}])
def test_scale_zero_is_the_plain_model_at_no_cost(scales):
    x_t, t, conditions = _inputs()
    plain, guided = LinearModel(), LinearModel()
    expected = plain(x_t, t, conditions)
    assert torch.equal(guided_x0(guided, x_t, t, conditions, scales=scales), expected)
    assert (guided.calls, guided.rows) == (1, 2)


def test_guidance_is_equation_2_in_one_batch():
    x_t, t, conditions = _inputs()
    model = LinearModel()
    scales = {"audio": 0.5, "gaze": 1.0, "emotion": 0.0}
    out = guided_x0(model, x_t, t, conditions, scales=scales)
    assert (model.calls, model.rows) == (1, 6)
    plain = model(x_t, t, conditions)
    no_audio = model(x_t, t, conditions.without("audio"))
    no_gaze = model(x_t, t, conditions.without("gaze"))
    torch.testing.assert_close(out, 2.5 * plain - 0.5 * no_audio - 1.0 * no_gaze)


def test_a_model_that_ignores_its_conditions_is_left_alone():
    x_t, t, conditions = _inputs()
    model = SimpleNamespace(given=lambda conditions, *, batch, num_frames: lambda x_t, t: x_t)
    out = guided_x0(model, x_t, t, conditions, scales={"audio": 2.0, "gaze": 1.0})
    torch.testing.assert_close(out, x_t)


def test_guidance_of_what_is_not_given_costs_nothing_and_changes_nothing():
    """Its variant is C: (1 + a + g) H(C) - a H(C | no audio) - g H(C) = the same without g."""
    x_t, t, conditions = _inputs()
    conditions = replace(conditions, gaze=None)
    model, plain, absent = LinearModel(), LinearModel(), LinearModel()
    scales = {"audio": 0.5, "gaze": 1.0, "previous": 0.25}
    out = guided_x0(model, x_t, t, conditions, scales=scales)
    assert torch.equal(out, guided_x0(plain, x_t, t, conditions, scales={"audio": 0.5}))
    assert model.rows == 2 * 2
    whole, rest = plain(x_t, t, conditions), plain(x_t, t, conditions.without("audio"))
    torch.testing.assert_close(out, 2.75 * whole - 0.5 * rest - 1.0 * whole - 0.25 * whole)
    alone = guided_x0(absent, x_t, t, conditions, scales={"gaze": 1.0})
    assert torch.equal(alone, whole) and absent.rows == 2


def test_unknown_condition_is_named():
    x_t, t, conditions = _inputs()
    with pytest.raises(ValueError, match="audio, previous, gaze"):
        guided_x0(LinearModel(), x_t, t, conditions, scales={"sound": 1.0})


def test_conditions_are_heard_once_for_all_steps():
    x_t, t, conditions = _inputs()
    heard = []

    def given(conditions, *, batch, num_frames):
        heard.append((batch, num_frames))
        return lambda x_t, t: x_t

    guided = Guidance(SimpleNamespace(given=given), conditions, scales={"audio": 0.5})
    for _ in range(3):
        guided(x_t, t)
    assert heard == [(4, 5)]
