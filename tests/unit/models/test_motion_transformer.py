from dataclasses import replace

import pytest
import torch

from vasa.diffusion.schedule import NoiseSchedule
from vasa.models.conditions import Conditions
from vasa.models.motion_statistics import MotionStatistics
from vasa.models.motion_transformer import MotionTransformer

M, F, K = 7, 12, 3


class Features:
    dim = F

    def describe(self):
        return "none"

    def __call__(self, audio):
        raise AssertionError("the model does not run its audio encoder")


def make_model(seed=0, is_fresh=False):
    torch.manual_seed(seed)
    model = MotionTransformer(
        num_motion=M,
        audio=Features(),
        window=9,
        num_previous=K,
        schedule=NoiseSchedule(name="cosine", num_timesteps=1000),
        width=16,
        num_layers=2,
        num_heads=2,
        audio_kernel_size=3,
        audio_layers=2,
    )
    if is_fresh:
        return model.eval()
    with torch.no_grad():  # adaptive layer norm starts at zero: let every path count
        for name, parameter in model.named_parameters():
            if "modulate" in name or "null" in name:
                parameter.normal_(std=0.3)
    return model.eval()


def make_conditions(batch=2, num_frames=9):
    return Conditions(
        audio=torch.randn(batch, num_frames, F),
        motion_pre=torch.randn(batch, K, M),
        audio_pre=torch.randn(batch, K, F),
        gaze=torch.randn(batch, 2),
        distance=torch.rand(batch, 1),
        emotion=torch.rand(batch, 8),
    )


def call(model, x_t, conditions):
    t = torch.arange(len(x_t)) * 100 + 50
    with torch.no_grad():
        return model(x_t, t, conditions)


def test_padding_changes_nothing():
    model, conditions, x_t = make_model(), make_conditions(), torch.randn(2, 9, M)
    expected = call(model, x_t, conditions)
    padded = replace(
        conditions,
        audio=torch.cat((conditions.audio, 50 * torch.randn(2, 4, F)), dim=1),
        frame_mask=torch.arange(13).expand(2, 13) < 9,
    )
    out = call(model, torch.cat((x_t, 50 * torch.randn(2, 4, M)), dim=1), padded)
    torch.testing.assert_close(out[:, :9], expected, atol=1e-5, rtol=1e-5)


def test_batch_composition_changes_nothing():
    model, conditions, x_t = make_model(), make_conditions(), torch.randn(2, 9, M)
    t = torch.tensor([50, 150])
    together = call(model, x_t, conditions)
    full = conditions.with_full_masks()
    for i in range(2):
        values = {name: value[i : i + 1] for name, value in vars(full).items() if value is not None}
        with torch.no_grad():
            alone = model(x_t[i : i + 1], t[i : i + 1], Conditions(**values))
        torch.testing.assert_close(alone[0], together[i], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["audio", "previous", "gaze", "distance", "emotion"])
def test_none_is_the_masked_condition_and_matters(name):
    model, conditions, x_t = make_model(), make_conditions(), torch.randn(2, 9, M)
    fields = ("motion_pre", "audio_pre") if name == "previous" else (name,)
    absent = call(model, x_t, replace(conditions, **dict.fromkeys(fields)))
    masked = call(model, x_t, conditions.without(name))
    torch.testing.assert_close(absent, masked, atol=1e-6, rtol=1e-6)
    assert (masked - call(model, x_t, conditions)).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["audio", "previous", "gaze", "distance", "emotion"])
def test_what_is_masked_is_not_read(name):
    model, conditions, x_t = make_model(), make_conditions(), torch.randn(2, 9, M)
    other = make_conditions()
    fields = ("motion_pre", "audio_pre") if name == "previous" else (name,)
    swapped = replace(conditions, **{field: getattr(other, field) for field in fields})
    torch.testing.assert_close(
        call(model, x_t, conditions.without(name)), call(model, x_t, swapped.without(name))
    )


def test_no_conditions_and_other_lengths_work():
    model = make_model()
    for num_frames in (1, 4, 30):
        assert call(model, torch.randn(2, num_frames, M), Conditions()).shape == (2, num_frames, M)


def test_statistics_travel_with_the_weights():
    statistics = MotionStatistics(
        motion_mean=torch.randn(M),
        motion_std=torch.cat((torch.rand(M - 1) + 0.5, torch.zeros(1))),
        audio_mean=torch.randn(F),
        audio_std=torch.rand(F) + 0.5,
        gaze_mean=torch.zeros(2),
        gaze_std=torch.ones(2),
        distance_mean=torch.ones(1),
        distance_std=torch.ones(1),
        stage1_hash="ab" * 32,
    )
    model, copy = make_model(), make_model(seed=1)
    model.set_statistics(statistics)
    copy.load_state_dict(model.state_dict())
    assert copy.stage1_hash == "ab" * 32
    motion = torch.randn(2, 5, M)
    torch.testing.assert_close(copy.denormalise(copy.normalise(motion)), motion)
    expected = (motion - statistics.motion_mean)[..., :-1] / statistics.motion_std[:-1]
    torch.testing.assert_close(copy.normalise(motion)[..., :-1], expected)


def test_audio_reaches_its_frame_first():
    """Before training the blocks pass on: a frame's audio moves the frames around it alone."""
    model = make_model(is_fresh=True)
    conditions, x_t = make_conditions(num_frames=20), torch.randn(2, 20, M)
    moved = conditions.audio.clone()
    moved[:, 10] += 1
    change = call(model, x_t, replace(conditions, audio=moved)) - call(model, x_t, conditions)
    touched = change.abs().amax(dim=(0, 2)) > 1e-6
    assert touched[8:13].all() and not touched[:8].any() and not touched[13:].any()
