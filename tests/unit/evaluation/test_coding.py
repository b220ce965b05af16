"""One codec for generated and real frames, and no network asked twice for the same."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from einops import rearrange
from untrained import composed, plain, untrained, untrained_inputs

from vasa.data.video import decode_mp4, write_video
from vasa.evaluation import runner
from vasa.evaluation.coding import CodedTalker
from vasa.evaluation.devices import InstrumentOn
from vasa.evaluation.kept import Kept, tensor_hash
from vasa.evaluation.settings import EvaluationInputs, EvaluationSettings
from vasa.evaluation.workbench import Workbench
from vasa.models.checkpoint import save_model
from vasa.models.syncnet import SyncNet

SMALL = {"width": 16, "num_heads": 2, "pose_layers": 1, "audio_layers": 1}
CRF = 30
"""Coarse, so that what went through the codec differs from what did not."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> EvaluationInputs:
    root = tmp_path_factory.mktemp("coding")
    found = untrained_inputs(root)
    net, config = untrained("capp/tiny", window=20, **SMALL)
    save_model(net, config, root / "capp" / "model")
    return replace(found, capp=root / "capp")


def settings(**changes) -> EvaluationSettings:
    config = plain(composed("evaluate", "evaluation=synth").evaluation)
    config |= {"num_clips": 3, "num_resamples": 20, "crf": CRF, "criteria": [], **changes}
    config["generation"]["steps"] = 2
    config["capp"] |= {"shift_frames": [0], "scales": []}
    config["controls"] |= {"num_clips": 1, "gaze_phi": [], "distance": [], "emotions": []}
    config["diversity"] |= {"num_clips": 1, "num_samples": 2}
    return EvaluationSettings.from_config(config)


def bench(inputs: EvaluationInputs, folder: Path, **changes) -> Workbench:
    return Workbench(
        settings=settings(**changes), inputs=inputs, seed=0, cache=folder / "parts" / "one",
        track=lambda items: items, pretrained=None, device=torch.device("cpu"),
    )  # fmt: skip


def through(path: Path, frames: torch.Tensor) -> torch.Tensor:
    """What the codec makes of frames, by its own means."""
    write_video(path, rearrange(frames, "t c h w -> t h w c").numpy(), crf=CRF)
    return rearrange(torch.from_numpy(decode_mp4(path.read_bytes())), "t h w c -> t c h w")


def test_generated_and_real_frames_that_are_scored_are_those_of_files(inputs, tmp_path):
    made = bench(inputs, tmp_path)
    files = sorted((tmp_path / "parts" / "shared" / "methods").rglob("*.mp4"))
    assert not files
    for clip, coded, video in zip(made.clips, made.coded_clips, made.videos, strict=True):
        assert torch.equal(coded.frames, through(tmp_path / "real.mp4", clip.frames))
        assert not torch.equal(coded.frames, clip.frames), "as the set holds them"
        assert coded.key == clip.key and torch.equal(coded.audio, clip.audio)
        (file,) = (tmp_path / "parts" / "shared" / "methods").rglob(
            f"ours-*/{clip.key.replace('/', '-')}*.mp4"
        )
        shown = torch.from_numpy(decode_mp4(file.read_bytes()))
        assert torch.equal(video, rearrange(shown, "t h w c -> t c h w"))
    again = bench(inputs, tmp_path)
    again.talker = None  # type: ignore[misc]
    assert all(map(torch.equal, again.videos, made.videos)), "made a second time"


def test_videos_that_nobody_keeps_pass_the_codec_too(inputs, tmp_path):
    frames = torch.randint(0, 255, (5, 3, 32, 32), dtype=torch.uint8)
    talker = CodedTalker(lambda image, audio, seed, wish=None: frames, crf=CRF)
    found = talker(frames[0], torch.zeros(3200), 0)
    assert torch.equal(found, through(tmp_path / "video.mp4", frames))
    assert not torch.equal(found, frames)
    made, asked = bench(inputs, tmp_path), []

    def record(image, audio, seed, wish=None):
        asked.append(wish)
        return made.clips[0].frames

    made.coded_talker = record  # type: ignore[assignment]
    assert len(made.samples) == 1 and asked == [None] * 4, "two of one sound, two of others"
    assert len(made.sweeps) == 2 and len(asked) == 4 + 2 * len(made.asked)


def test_protocols_and_settings_of_a_sweep_share_what_is_known(inputs, tmp_path, monkeypatch):
    seen: list[str] = []
    for kind, name in ((InstrumentOn, "__call__"), (SyncNet, "embed_video"),
                       (SyncNet, "embed_audio")):  # fmt: skip
        plain_call = getattr(kind, name)

        def counted(self, given, *, call=plain_call, name=name):
            seen.append(f"{name} {tensor_hash(given)}")
            return call(self, given)

        monkeypatch.setattr(kind, name, counted)

    def run(folder: str, protocols: list[str], audio: float) -> list[str]:
        chosen = settings(protocols=protocols)
        chosen.generation.guidance["audio"] = audio
        seen.clear()
        rows = runner.evaluate(
            settings=chosen, inputs=inputs, output=tmp_path / folder / "results.jsonl", seed=0,
            environment={}, device=torch.device("cpu"), shared=tmp_path / "shared",
        )  # fmt: skip
        assert {row.metric.split("/")[0] for row in rows} >= {protocols[-1]}
        return list(seen)

    first = run("one", ["generated", "sync"], 0.5)
    assert len(first) == len(set(first)), "asked twice for the same"
    assert len([call for call in first if call.startswith("embed_video")]) == 2 * 3
    # Another guidance: the real clips, their sound and source pictures are known.
    second = run("two", ["generated", "sync"], 2.0)
    calls = {kind: sum(call.startswith(kind) for call in second)
             for kind in ("__call__", "embed_video", "embed_audio")}  # fmt: skip
    assert calls == {"__call__": 3, "embed_video": 3, "embed_audio": 0}
    assert not set(first) & set(second)
    assert run("three", ["sync", "capp", "generated"], 0.5) == []


def test_an_answer_is_kept_for_one_network_and_one_input(tmp_path):
    asked: list[int] = []

    def answer() -> dict[str, torch.Tensor]:
        asked.append(1)
        return {"sum": torch.tensor([1.5])}

    one, other = (Kept(tmp_path, facts={"network": name}) for name in "ab")
    value = torch.arange(6)
    assert all(torch.equal(one(value, answer)["sum"], torch.tensor([1.5])) for _ in range(2))
    assert len(asked) == 1
    for changed in (value.float(), value.reshape(2, 3), value + 1):
        one(changed, answer)
    other(value, answer)
    assert len(asked) == 5
    assert tensor_hash(torch.zeros(0)) != tensor_hash(torch.zeros(0, 2))
    strided = torch.arange(12).reshape(6, 2)[:, 0]
    assert tensor_hash(strided) == tensor_hash(strided.contiguous())
