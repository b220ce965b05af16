import pytest
import torch
from torch import nn

from vasa.diffusion.sampler import DDIMSampler
from vasa.diffusion.schedule import NoiseSchedule
from vasa.inference.windows import (
    ChunkPlan,
    MotionControls,
    MotionSettings,
    generate_motion,
    generate_samples,
)
from vasa.models.motion_statistics import Standardiser
from vasa.types import InputError

SCHEDULE = NoiseSchedule(name="cosine", num_timesteps=100)
F, M, W, K = 3, 4, 10, 3


class Oracle(nn.Module):
    """x0 is a fixed map of each frame's audio: what any window should give is known.

    Keeps what it is told, and whether the previous motion is what came before.
    """

    num_motion, window, num_previous, schedule = M, W, K, SCHEDULE

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.map = torch.randn(F, M)
        self.motion_scale = Standardiser(M)
        self.motion_scale.set(torch.randn(M), torch.rand(M) + 0.5)
        self.distance_scale = Standardiser(1)
        self.distance_scale.set(torch.tensor([1.3]), torch.ones(1))
        self.told = []

    def denormalise(self, motion):
        return self.motion_scale.inverse(motion)

    def truth(self, audio):
        return self.denormalise(audio @ self.map)

    def given(self, conditions, *, batch, num_frames):
        return lambda x_t, t: self(x_t, t, conditions)

    def forward(self, x_t, t, conditions):
        self.told.append(conditions)
        if conditions.motion_pre is not None:
            known = torch.ones_like(conditions.audio_pre[..., 0], dtype=torch.bool)
            known = known if conditions.pre_mask is None else conditions.pre_mask
            torch.testing.assert_close(
                conditions.motion_pre[known], self.truth(conditions.audio_pre[known])
            )
        return conditions.audio @ self.map


def settings(num_steps=4, eta=0.0, seed=0, guidance=None, plan=None, **controls):
    return MotionSettings(
        guidance=guidance or {},
        sampler=DDIMSampler(schedule=SCHEDULE, num_steps=num_steps, eta=eta),
        seed=seed,
        controls=MotionControls(**controls),
        plan=plan,
    )


@pytest.mark.parametrize("num_frames", [1, 4, 9, 10, 11, 20, 37])
def test_windows_joined_equal_the_whole(num_frames):
    oracle, audio = Oracle(), torch.randn(num_frames, F)
    out = generate_motion(oracle, audio, settings())
    torch.testing.assert_close(out, oracle.truth(audio))


def test_each_window_is_told_what_came_before():
    oracle, audio = Oracle(), torch.randn(25, F)
    generate_motion(oracle, audio, settings(num_steps=1))
    first, second, third = oracle.told
    assert first.motion_pre is None and first.audio_pre is None
    torch.testing.assert_close(second.audio_pre[0], audio[7:10])
    torch.testing.assert_close(third.audio_pre[0], audio[17:20])
    assert third.audio.shape == (1, 5, F)


def test_controls_reach_the_model():
    oracle = Oracle()
    generate_motion(oracle, torch.randn(5, F), settings(num_steps=1))
    told = oracle.told[-1]
    assert told.gaze.tolist() == [[0.0, 0.0]] and told.emotion is None
    torch.testing.assert_close(told.distance, torch.tensor([[1.3]]))
    happy = tuple(float(i == 1) for i in range(8))
    asked = settings(num_steps=1, gaze=None, distance=0.8, emotion=happy)
    generate_motion(oracle, torch.randn(5, F), asked)
    told = oracle.told[-1]
    assert told.gaze is None and told.emotion.tolist() == [list(happy)]
    torch.testing.assert_close(told.distance, torch.tensor([[0.8]]))


class Echo(Oracle):
    """x0 is what is left of the noise, so the noise can be seen."""

    def given(self, conditions, *, batch, num_frames):
        return lambda x_t, t: self(x_t, t, conditions)

    def forward(self, x_t, t, conditions):
        return x_t


def test_noise_is_a_function_of_seed_and_window():
    audio = torch.randn(30, F)
    first = generate_motion(Echo(), audio, settings(num_steps=1))
    assert torch.equal(first, generate_motion(Echo(), audio, settings(num_steps=1)))
    assert not torch.equal(first, generate_motion(Echo(), audio, settings(num_steps=1, seed=1)))
    assert not torch.equal(first[:10], first[10:20])
    longer = generate_motion(Echo(), torch.cat((audio, audio)), settings(num_steps=1))
    assert torch.equal(longer[:30], first)


def test_ddpm_and_guidance_work_on_windows():
    oracle, audio = Oracle(), torch.randn(25, F)
    asked = MotionSettings(
        guidance={"gaze": 1.0},
        sampler=DDIMSampler(schedule=SCHEDULE, num_steps=5, eta=1.0),
        seed=0,
    )
    torch.testing.assert_close(generate_motion(oracle, audio, asked), oracle.truth(audio))
    assert oracle.told[-1].gaze_mask.tolist() == [True, False]


@pytest.mark.parametrize("num_frames", [1, 2, 9, 10, 37])
@pytest.mark.parametrize(("hop", "lookahead"), [(1, 0), (2, 5), (4, 3), (10, 0)])
def test_any_plan_joins_to_the_whole(num_frames, hop, lookahead):
    oracle, audio = Oracle(), torch.randn(num_frames, F)
    plan = ChunkPlan(hop_frames=hop, lookahead_frames=lookahead)
    out = generate_motion(oracle, audio, settings(num_steps=2, plan=plan))
    torch.testing.assert_close(out, oracle.truth(audio))


def test_a_short_hop_hears_ahead_and_marks_the_frames_that_were_not():
    oracle, audio = Oracle(), torch.randn(9, F)
    plan = ChunkPlan(hop_frames=2, lookahead_frames=3)
    generate_motion(oracle, audio, settings(num_steps=1, plan=plan))
    told = oracle.told
    assert [one.audio.shape[1] for one in told] == [5, 5, 5, 3, 1]
    assert torch.equal(told[1].audio[0], audio[2:7])
    assert told[1].pre_mask.tolist() == [[False, True, True]]
    assert torch.equal(told[1].audio_pre[0, 1:], audio[:2])
    assert told[2].pre_mask is None
    assert torch.equal(told[2].audio_pre[0], audio[1:4])


def test_no_plan_is_the_window_of_the_training():
    audio, plan = torch.randn(25, F), ChunkPlan(hop_frames=W)
    asked = [settings(num_steps=1), settings(num_steps=1, plan=plan)]
    first, second = (generate_motion(Echo(), audio, one) for one in asked)
    assert torch.equal(first, second)


def test_plans_that_cannot_be_are_refused():
    for hop, lookahead in ((0, 0), (3, -1)):
        with pytest.raises(InputError, match="expected a plan"):
            ChunkPlan(hop_frames=hop, lookahead_frames=lookahead)
    plan = ChunkPlan(hop_frames=8, lookahead_frames=3)
    with pytest.raises(InputError, match="at most the 10 frames"):
        generate_motion(Oracle(), torch.randn(5, F), settings(plan=plan))


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_a_sample_is_the_same_alone_and_among_others(eta):
    audio = torch.randn(25, F)
    asked = settings(num_steps=3, eta=eta, guidance={"audio": 0.5, "gaze": 1.0})
    together = generate_samples(Echo(), audio, asked, seeds=(5, 0, 7))
    assert together.shape == (3, 25, M)
    torch.testing.assert_close(together[1], generate_motion(Echo(), audio, asked))
    assert not torch.allclose(together[0], together[1])


def test_mixed_precision_reaches_the_model_and_the_motion_stays_float32():
    seen = []

    class Linear(Oracle):
        def given(self, conditions, *, batch, num_frames):
            return lambda x_t, t: self(x_t, t, conditions)

        def forward(self, x_t, t, conditions):
            made = x_t @ torch.eye(M)
            seen.append((x_t.dtype, made.dtype))
            return made

    asked = MotionSettings(
        guidance={}, sampler=settings(num_steps=2).sampler, seed=0, precision="bf16-mixed"
    )
    assert generate_motion(Linear(), torch.randn(5, F), asked).dtype == torch.float32
    assert seen == [(torch.float32, torch.bfloat16)] * 2
