"""`vasa generate` from end to end with random networks, and what it says to bad input."""

import json
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from vasa.cli import main
from vasa.cli.generate import emotion_weights
from vasa.types import InputError

sys.path.insert(0, str(Path(__file__).parents[1] / "inference"))
from small_runs import save_small_runs  # noqa: E402

SPEECH = 0.1 * np.random.default_rng(0).normal(size=16_000 * 2).clip(-3, 3)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Run folders, a picture and speech; the expert takes every picture for a face."""
    root = save_small_runs(tmp_path_factory.mktemp("world"))
    see_faces(root / "expert" / "model", seen=True)
    Image.effect_noise((64, 64), 60).convert("RGB").save(root / "face.png")
    soundfile.write(root / "speech.wav", SPEECH[: 16_000 + 300], 16_000)
    return root


def see_faces(model: Path, *, seen: bool) -> None:
    """Move the presence head's bias far to one side."""
    from vasa.models.checkpoint import load_model

    state = load_file(model / "model.safetensors")
    net = load_model(model)
    with torch.inference_mode():
        before = net(torch.rand(1, 3, 64, 64)).presence
    for name in (name for name in state if name.endswith("bias")):
        trial = {**state, name: state[name].clone()}
        trial[name][-1] += 1.0
        net.load_state_dict(trial)
        with torch.inference_mode():
            if "presence" in name or torch.allclose(
                net(torch.rand(1, 3, 64, 64)).presence, before + 1, atol=0.2
            ):
                state[name][-1] = 1e3 if seen else -1e3
                save_file(state, model / "model.safetensors")
                return
    raise AssertionError("found no bias of the presence logit")


def generate(world, output, *overrides):
    chosen = {
        "image": world / "face.png",
        "audio": world / "speech.wav",
        "stage1": world / "stage1",
        "stage2": world / "stage2",
        "expert": world / "expert",
        "output": output,
        "steps": 2,
        "num_threads": 1,
    }
    for word in overrides:
        chosen.pop(word.split("=")[0].lstrip("~"), None)
    words = [f"{key}={value}" for key, value in chosen.items()]
    return main(["generate", *words, *overrides])


def facts(path):
    """Codecs, frame rate, numbers of frames and seconds of sound of a video."""
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        codecs = (video.codec_context.name, audio.codec_context.name)
        rate = video.average_rate
        frames = sum(1 for _ in container.decode(video=0))
    with av.open(str(path)) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
        seconds = samples / container.streams.audio[0].rate
    return codecs, rate, frames, seconds


def test_a_video_with_sound_as_long_as_the_speech(world, tmp_path, capsys):
    output = tmp_path / "deep" / "talking.mp4"
    assert generate(world, output) == 0
    codecs, rate, frames, seconds = facts(output)
    assert codecs == ("h264", "aac") and rate == 25
    assert abs(frames / 25 - 16_300 / 16_000) <= 1 / 25
    assert abs(seconds - frames / 25) < 0.15  # aac comes in blocks of 1024 samples
    assert json.loads(output.with_suffix(".json").read_text())["frames"] == frames
    made = output.stat().st_mtime_ns
    capsys.readouterr()
    assert generate(world, output) == 0
    assert "already complete" in capsys.readouterr().out and output.stat().st_mtime_ns == made
    assert generate(world, output, "seed=1") == 0
    assert output.stat().st_mtime_ns != made


def test_controls_and_guidance_are_taken(world, tmp_path):
    words = ["gaze=[0.2,-0.1]", "distance=1.1", "emotion={happy: 0.8}", "guidance.audio=1.0"]
    assert generate(world, tmp_path / "a.mp4", *words, "sampler=ddpm", "start_blend_s=0") == 0
    assert generate(world, tmp_path / "b.mp4", "gaze=null", "distance=null") == 0


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44_100, 2), (48_000, 1)])
def test_other_rates_and_stereo_work_with_a_notice(world, tmp_path, capsys, rate, channels):
    samples = np.repeat(SPEECH[:rate, None], channels, axis=1)[: rate // 2]
    soundfile.write(tmp_path / "other.wav", samples, rate)
    output = tmp_path / "out.mp4"
    assert generate(world, output, f"audio={tmp_path}/other.wav") == 0
    assert f"{rate} Hz resampled" in capsys.readouterr().out
    assert abs(facts(output)[2] / 25 - len(samples) / rate) <= 1 / 25


def _one_line(capsys, *words):
    error = capsys.readouterr().err.strip().splitlines()
    lines = [line for line in error if line.startswith("vasa:")]
    assert len(lines) == 1, error
    assert all(word in lines[0] for word in words), lines[0]


def _write_bad(folder: Path) -> None:
    (folder / "text.txt").write_text("hello")
    (folder / "nothing.bin").write_bytes(b"")
    soundfile.write(folder / "empty.wav", np.zeros(0), 16_000)
    soundfile.write(folder / "silent.wav", np.zeros(16_000), 16_000)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("image={0}/none.png", ["expected an image", "none.png"]),
        ("image={0}/text.txt", ["expected an image", "text.txt"]),
        ("image={0}/nothing.bin", ["expected an image"]),
        ("audio={0}/none.wav", ["expected an audio file", "none.wav"]),
        ("audio={0}/text.txt", ["audio", "text.txt"]),
        ("audio={0}/nothing.bin", ["audio", "nothing.bin"]),
        ("audio={0}/empty.wav", ["expected speech", "no audio samples"]),
        ("audio={0}/silent.wav", ["silent"]),
        ("stage1={0}", ["no model at"]),
        ("stage2={0}/none", ["no model at"]),
        ("expert={0}/none", ["no model at"]),
        ("output={0}/talking.avi", ["output=NAME.mp4"]),
        ("steps=0", ["sampling steps"]),
        ("sampler=euler", ["ddim or ddpm"]),
        ("emotion={{cheerful: 1.0}}", ["happy", "cheerful"]),
        ("gaze=[0.1]", ["gaze=[theta,phi]"]),
        ("distance=far", ["distance=mean"]),
        ("guidance.sound=1.0", ["guidance.sound"]),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(world, tmp_path, capsys, override, words):
    _write_bad(tmp_path)
    assert generate(world, tmp_path / "out.mp4", override.format(tmp_path)) == 2
    _one_line(capsys, *words)
    assert not (tmp_path / "out.mp4").exists()


def test_a_picture_without_a_face_is_refused(world, tmp_path, capsys):
    import shutil

    shutil.copytree(world / "expert", tmp_path / "expert")
    see_faces(tmp_path / "expert" / "model", seen=False)
    assert generate(world, tmp_path / "out.mp4", f"expert={tmp_path}/expert") == 2
    _one_line(capsys, "expected a face in the image")


def test_without_expert_and_detector_there_is_no_guessing(world, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("VASA_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("vasa.pretrained.registry.USER_CACHE", tmp_path / "cache")
    assert generate(world, tmp_path / "out.mp4", "expert=null") == 2
    _one_line(capsys, "VASA_WEIGHTS", "expert=RUN")


def test_the_detector_finds_a_real_face_and_refuses_a_wall(
    world, tmp_path, capsys, monkeypatch, weights_dir, real_data_dir
):
    monkeypatch.setenv("VASA_WEIGHTS", str(weights_dir))
    portrait = next(
        path
        for path in sorted((real_data_dir / "portraits").iterdir())
        if path.suffix in (".jpg", ".jpeg", ".png")
    )
    assert generate(world, tmp_path / "a.mp4", "expert=null", f"image={portrait}") == 0
    wall = tmp_path / "wall.png"
    Image.new("RGB", (300, 200), (120, 110, 100)).save(wall)
    assert generate(world, tmp_path / "b.mp4", "expert=null", f"image={wall}") == 2
    _one_line(capsys, "expected a face in the image")


def test_emotions_named_leave_the_rest_neutral():
    assert emotion_weights(None) is None
    assert emotion_weights({"happy": 0.75}) == (0.25, 0.75, 0, 0, 0, 0, 0, 0)
    with pytest.raises(InputError, match="joy"):
        emotion_weights({"joy": 1.0})
