"""Videos are scored as they are made live, where the evaluation asks for it."""

from dataclasses import asdict, replace

import pytest
import torch
from small_runs import save_small_runs

from vasa.diffusion.sampler import make_sampler
from vasa.evaluation.settings import GenerationSettings
from vasa.evaluation.talker import load_talker
from vasa.inference.pipeline import TalkingFace
from vasa.inference.rendering import RenderSettings
from vasa.inference.windows import ChunkPlan, MotionControls, MotionSettings, chosen_plan
from vasa.types import InputError

SETTINGS = GenerationSettings(
    steps=2,
    sampler="ddim",
    eta=0.0,
    hop_frames=None,
    lookahead_frames=0,
    guidance={"audio": 0.5},
    start_blend_s=0.2,
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return save_small_runs(tmp_path_factory.mktemp("runs"))


def test_the_plan_is_that_of_the_settings(runs):
    places = {"stage1": runs / "stage1", "stage2": runs / "stage2"}
    model = TalkingFace.load(**places).motion_model
    assert chosen_plan(model, hop_frames=None, lookahead_frames=0) is None
    live = chosen_plan(model, hop_frames=3, lookahead_frames=2)
    assert live == ChunkPlan(hop_frames=3, lookahead_frames=2)
    ahead = chosen_plan(model, hop_frames=None, lookahead_frames=2)
    assert ahead == ChunkPlan(hop_frames=model.window, lookahead_frames=2)
    live_settings = replace(SETTINGS, hop_frames=3, lookahead_frames=2)
    common = {"batch_size": 2, "device": torch.device("cpu"), **places}
    made = load_talker(settings=live_settings, **common)
    image = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    audio = 0.1 * torch.randn(640 * 10, generator=torch.Generator().manual_seed(1))
    face = TalkingFace.load(**places)
    motion = MotionSettings(
        guidance={"audio": 0.5},
        sampler=make_sampler(name="ddim", schedule=model.schedule, num_steps=2, eta=0.0),
        seed=4,
        controls=MotionControls(),
        plan=live,
    )
    render = RenderSettings(batch_size=2, start_blend_s=0.2)
    assert torch.equal(
        made(image, audio, 4), face.generate(image, audio, motion=motion, render=render)
    )
    assert asdict(live_settings) != asdict(SETTINGS), "kept videos are known by it"


def test_a_plan_that_is_none_is_refused(runs):
    with pytest.raises(InputError, match="at least 1 frame"):
        load_talker(
            stage1=runs / "stage1",
            stage2=runs / "stage2",
            settings=replace(SETTINGS, hop_frames=0),
            batch_size=2,
            device=torch.device("cpu"),
        )
