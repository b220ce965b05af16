"""CAPP as a metric and a protocol, on networks whose scores are known beforehand."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from vasa.evaluation.capp_windows import CappScorer
from vasa.evaluation.metrics.capp import CappScore
from vasa.evaluation.protocols.capp import capp
from vasa.types import InputError

WINDOW = 12


class Listener(nn.Module):
    """Embeds the loudness of each frame, and the yaw; where these are the same, the cosine is 1."""

    window = WINDOW

    def embed_pose(self, pose, valid=None):
        keep = torch.ones(pose.shape[:2]) if valid is None else valid.float()
        return nn.functional.normalize((pose[..., 0] * keep).clamp(max=0.3), dim=-1)

    def embed_audio(self, audio):
        level = audio.unflatten(-1, (-1, 640)).mean(-1)
        return nn.functional.normalize(level, dim=-1)


def heard(world, index: int, *, num_frames: int = 30):
    """A clip whose yaw is what is heard."""
    clip = world.make_clip(person=index, seed=index, num_frames=num_frames)
    yaw = torch.randn(num_frames, generator=torch.Generator().manual_seed(index)).abs() * 0.1
    clip.pose[:, 0] = yaw
    clip.audio.copy_(yaw.clamp(max=0.3).repeat_interleave(640))
    clip.frames.copy_(
        (world.write_values(clip.images(), torch.cat((clip.pose, clip.pose[:, :5]), 1)) * 255)
        .round()
        .to(torch.uint8)
    )
    return clip


def scorer(net: nn.Module, margin: int = 4) -> CappScorer:
    device = torch.device("cpu")
    return CappScorer(net=net, device=device, margin_frames=margin, stride_frames=2)  # type: ignore[arg-type]


def run(world, clips, **changed):
    settings = {
        "scorer": scorer(Listener()),
        "random_scorer": scorer(Deaf()),
        "clips": clips,
        "videos": None,
        "read": None,
        "set_name": "synthetic",
        "shift_frames": (0, 1, 4),
        "scales": (0.5, 1.0, 8.0),
        **world.arguments,
        **changed,
    }
    rows = capp(**settings)
    assert len({row.metric for row in rows}) == len(rows)
    return {row.metric.removeprefix("capp/"): row for row in rows}


@pytest.mark.parametrize(("num_frames", "starts"), [(5, []), (19, []), (20, [4]), (24, [4, 6, 8])])
def test_windows_of_short_clips(num_frames, starts):
    """12 frames with 4 on either side need 20."""
    found = scorer(Listener()).starts(torch.ones(num_frames, dtype=torch.bool))
    assert found.tolist() == starts


class Deaf(Listener):
    """Says the same of every sound."""

    def embed_audio(self, audio):
        return nn.functional.normalize(torch.ones(len(audio), WINDOW), dim=-1)


def test_metric_closed_form_and_range():
    metric = CappScore()
    pose = torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 4.0]])
    metric.update(pose, torch.tensor([[2.0, 0.0], [0.0, -1.0], [4.0, 3.0]]))
    metric.update(pose[:1], torch.tensor([[0.0, 1.0]]))
    # a clip counts once, however many windows it has
    assert metric.compute() == pytest.approx(((1 - 1 + 24 / 25) / 3 + 0) / 2)
    assert metric.higher_is_better


def test_merge_of_halves_is_the_whole():
    rows = torch.randn(8, 2, 5, 6, generator=torch.Generator().manual_seed(0))
    whole, first, second = CappScore(), CappScore(), CappScore()
    for index, (pose, audio) in enumerate(rows):
        whole.update(pose, audio)
        (first if index < 3 else second).update(pose, audio)
    first.merge_state(second)
    assert torch.equal(first.compute(), whole.compute())


def test_shifts_and_scales_lose_what_they_should(world):
    clips = [heard(world, index) for index in range(5)]
    rows = run(world, clips)
    assert rows["synthetic_shift_0"].value == pytest.approx(1.0, abs=1e-5)
    assert rows["synthetic_scale_1"].value == rows["synthetic_shift_0"].value
    assert rows["synthetic_shift_1"].value < 0.9
    assert rows["synthetic_scale_8"].value < 0.95
    own = rows["synthetic_shift_0"]
    assert own.control < 0.9 and own.n == 5 and own.control_name.startswith("shuffled audio")
    assert rows["synthetic_shift_4"].value == pytest.approx(own.control, abs=0.1)
    assert own.higher_is_better and len(own.clip_values) == 5


def test_shift_is_the_mean_of_both_ways_on_the_same_windows(world):
    clips = [heard(world, index) for index in range(2)]
    net, row = Listener(), run(world, clips)["synthetic_shift_4"]
    values = []
    for clip in clips:
        for start in (4, 6, 8, 10, 12, 14):
            pose = net.embed_pose(clip.pose[None, start : start + WINDOW])
            for other in (start - 4, start + 4):
                sound = clip.audio[None, other * 640 : (other + WINDOW) * 640]
                values.append(float((pose * net.embed_audio(sound)).sum()))
    assert row.value == pytest.approx(sum(values) / len(values), abs=1e-5)


def test_who_does_not_listen_cannot_tell_own_from_shuffled(world):
    rows = run(world, [heard(world, index) for index in range(4)])
    row = rows["synthetic_random_weights"]
    assert row.value == pytest.approx(row.control, abs=1e-6)


def test_poses_of_videos_are_read_from_their_frames(world):
    clips = [heard(world, index) for index in range(3)]
    still = [clip.frames[:1].expand_as(clip.frames) for clip in clips]
    rows = run(world, clips, videos=still, read=lambda v: world.instrument(v.float() / 255))
    assert rows["synthetic_remeasured"].value > 0.99
    flat = torch.ones(WINDOW) / WINDOW**0.5
    assert rows["generated"].value == pytest.approx(
        float(
            torch.stack([(scorer(Listener()).sound(c.audio)[4:15:2] @ flat).mean() for c in clips])
            .mean()
        ),
        abs=0.02,
    )  # fmt: skip
    assert "re-measured" in rows["generated"].note


def test_windows_without_trusted_poses_and_short_clips_are_left_out(world):
    clips = [heard(world, index) for index in range(3)]
    clips.append(heard(world, 9, num_frames=15))
    clips[0].valid[:] = False
    assert run(world, clips)["synthetic_shift_0"].n == 2
    with pytest.raises(InputError, match="the longest of 4 has 30"):
        run(world, clips, scorer=scorer(Listener(), margin=12))


def test_an_untrained_twin_keeps_the_scales_alone():
    from vasa.data.audio_features import LogMel
    from vasa.models.capp import Capp

    mel = LogMel(num_mels=4, window_samples=400, min_hz=0.0, max_hz=8e3, floor=1e-5,
                 log_mean=-2.0, log_std=1.5)  # fmt: skip
    net = Capp(audio=mel, window=4, width=8, num_heads=2, pose_layers=1, audio_layers=1,
               audio_kernel_size=3, audio_convolutions=1, frame_channels=2, smooth_frames=3,
               dropout=0.0)  # fmt: skip
    net.pose_scale.set(torch.zeros(12), torch.arange(1.0, 13.0))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    one, two = (scorer(net).untrained(seed=seed).net.state_dict() for seed in (0, 0))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert torch.equal(one["pose_scale.std"], before["pose_scale.std"])
    matrices = [name for name, value in before.items() if value.dim() > 1]
    assert not any(torch.equal(one[name], before[name]) for name in matrices)


def test_protocol_is_wired_and_its_settings_checked():
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from vasa.cli.paths import conf_dir
    from vasa.evaluation.runner import NEEDS, PROTOCOLS
    from vasa.evaluation.settings import EvaluationSettings

    assert "capp" in PROTOCOLS and NEEDS["capp"] == ("capp",)
    with initialize_config_dir(version_base="1.3", config_dir=conf_dir()):
        cfg = compose("evaluate", ["protocol=capp", "evaluation=real"])
    config = SimpleNamespace(**OmegaConf.to_container(cfg))  # type: ignore[arg-type]
    assert EvaluationSettings.from_config(config.evaluation).capp.set_name == "real"
    config.evaluation["capp"]["shift_frames"] = [1, 2]
    with pytest.raises(InputError, match="with 0 among them"):
        EvaluationSettings.from_config(config.evaluation)
