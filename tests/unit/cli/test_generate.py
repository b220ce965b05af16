"""`vasa generate` from end to end with random networks, and what it says to bad input."""

import csv
import json
import warnings
import weakref
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from small_runs import save_small_runs

from vasa.cli import main
from vasa.cli.generate import COLUMNS
from vasa.data.audio_features import LogMel
from vasa.inference.controls import emotion_weights
from vasa.types import InputError

SPEECH = 0.1 * np.random.default_rng(0).normal(size=16_000 * 2).clip(-3, 3)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Run folders, a picture and speech; the expert takes every picture for a face."""
    root = save_small_runs(tmp_path_factory.mktemp("world"))
    see_faces(root / "expert" / "model", seen=True)
    Image.effect_noise((64, 64), 60).convert("RGB").save(root / "face.png")
    soundfile.write(root / "speech.wav", SPEECH[: 16_000 + 300], 16_000)
    soundfile.write(root / "word.wav", SPEECH[:3000], 16_000)
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
    assert 0 <= seconds - frames / 25 < 1024 / 16_000  # decoded, the last block of AAC is whole
    with av.open(str(output)) as container:
        lengths = [float(stream.duration * stream.time_base) for stream in container.streams]
    assert lengths == pytest.approx([frames / 25] * 2)
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


def test_guidance_by_what_is_not_given_is_told_once(world, tmp_path):
    """That of gaze is 1 unless something else is said, that of distance 0."""
    words = ["gaze=null", "distance=null", "num_samples=2", f"audio={world}/word.wav"]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        assert generate(world, tmp_path / "b.mp4", *words) == 0
    effects = [str(each.message) for each in told if "no effect" in str(each.message)]
    assert effects == ["guidance.gaze=1.0 has no effect: gaze=null"]


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44_100, 2), (48_000, 1)])
def test_other_rates_and_stereo_work_with_a_notice(world, tmp_path, capsys, rate, channels):
    samples = np.repeat(SPEECH[:rate, None], channels, axis=1)[: rate // 2]
    soundfile.write(tmp_path / "other.wav", samples, rate)
    output = tmp_path / "out.mp4"
    assert generate(world, output, f"audio={tmp_path}/other.wav") == 0
    assert f"{rate} Hz resampled" in capsys.readouterr().out
    assert abs(facts(output)[2] / 25 - len(samples) / rate) <= 1 / 25


def first_picture(path):
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)


def test_samples_are_of_seeds_in_a_row_and_only_missing_ones_are_made(
    world, tmp_path, capsys, monkeypatch
):
    word = f"audio={world}/word.wav"
    hear, heard = LogMel.__call__, []

    def counted(self, audio):
        heard.append(audio.shape)
        return hear(self, audio)

    monkeypatch.setattr(LogMel, "__call__", counted)
    assert generate(world, tmp_path / "a.mp4", word, "num_samples=2", "seed=5") == 0
    assert len(heard) == 1, "all samples share the speech's features"
    assert sorted(path.name for path in tmp_path.glob("*.mp4")) == ["a_0.mp4", "a_1.mp4"]
    made = (tmp_path / "a_0.mp4").stat().st_mtime_ns
    capsys.readouterr()
    assert generate(world, tmp_path / "a.mp4", word, "num_samples=3", "seed=5") == 0
    said = capsys.readouterr().out
    assert said.count("already complete") == 2 and said.count("wrote") == 1
    assert (tmp_path / "a_0.mp4").stat().st_mtime_ns == made
    assert generate(world, tmp_path / "b.mp4", word, "seed=6") == 0
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "a_1.mp4").read_bytes()
    assert (tmp_path / "b.mp4").read_bytes() != (tmp_path / "a_0.mp4").read_bytes()


def test_a_pose_fixes_what_it_names_and_its_file_is_part_of_the_record(world, tmp_path, capsys):
    common = ["start_blend_s=0", f"audio={world}/word.wav"]
    track = tmp_path / "track.csv"
    for name, text in (("a", "yaw\n30\n"), ("b", "yaw\n-30\n")):
        track.write_text(text)
        assert generate(world, tmp_path / f"{name}.mp4", f"pose={track}", *common) == 0
    assert generate(world, tmp_path / "c.mp4", "pose={yaw: 30}", *common) == 0
    first, other, again = (first_picture(tmp_path / f"{name}.mp4") for name in "abc")
    assert (first == again).all() and (first != other).any()
    capsys.readouterr()
    assert generate(world, tmp_path / "b.mp4", f"pose={track}", *common) == 0
    assert "already complete" in capsys.readouterr().out
    track.write_text("yaw\n0\n")
    assert generate(world, tmp_path / "b.mp4", f"pose={track}", *common) == 0
    assert "wrote" in capsys.readouterr().out


def test_pasted_back_the_video_has_the_photos_size(world, tmp_path):
    photo = Image.effect_noise((161, 95), 60).convert("RGB").resize((161, 95))
    photo.save(tmp_path / "wide.png")
    words = [f"image={tmp_path}/wide.png", "paste=true"]
    assert generate(world, tmp_path / "out.mp4", *words) == 0
    found = first_picture(tmp_path / "out.mp4")
    assert found.shape == (94, 160, 3)
    error = np.abs(found - np.asarray(photo)[:94, :160])
    assert np.median(error[:, :30]) < 8 < 12 < np.median(error[20:75, 60:100])


def write_table(folder, rows):
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with open(folder / "list.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return folder / "list.csv"


def outcomes(table):
    with open(table.with_suffix(".results.csv"), newline="") as file:
        return list(csv.DictReader(file))


def batch(world, table, *overrides):
    chosen = {
        **{name: world / name for name in ("stage1", "stage2", "expert")},
        **{"steps": 2, "num_threads": 1, "batch": table},
    }
    for word in overrides:
        chosen.pop(word.split("=")[0], None)
    return main(["generate", *(f"{key}={value}" for key, value in chosen.items()), *overrides])


def test_a_batch_survives_its_bad_rows_and_goes_on_where_it_stopped(world, tmp_path, capsys):
    _write_bad(tmp_path)
    for name in ("face.png", "word.wav"):
        (tmp_path / name).write_bytes((world / name).read_bytes())
    good = {"image": "face.png", "audio": "word.wav"}
    rows = [
        {**good, "output": "a.mp4"},
        {**good, "output": "b.mp4", "image": "text.txt"},
        {**good, "output": "c.mp4", "audio": "silent.wav"},
        {**good, "output": "d.mp4", "image": "none.png"},
        {**good, "output": "deep/e.mp4", "seed": "3", "gaze": "[0.2, 0.1]", "num_samples": "2"},
        {**good, "output": "f.mp4", "seed": "many"},
        {**good, "output": "a.mp4", "seed": "7"},
        {**good},
        {**good, "output": "g.mp4", "emotion": "{happy: 1.0}", "guidance.audio": "1.5"},
        {**good, "output": "h.mp4", "pose": "{yaw: [}"},
        {**good, "output": "i.mp4", "pose": "{yaw: 10, roll: 5}"},
    ]
    table = write_table(tmp_path, rows)
    with open(table, "a") as file:
        file.write("one cell\n")
    assert batch(world, table) == 2
    _one_line(capsys, "8 of 12 rows failed", "list.results.csv")
    found = outcomes(table)
    assert [row["status"] for row in found] == [
        *("made", "failed", "failed", "failed", "made", "failed"),
        *("failed", "failed", "made", "failed", "made", "failed"),
    ]
    assert [row["line"] for row in found] == [str(line) for line in range(2, 14)]
    for number, word in {
        **{1: "could not read", 2: "silent", 3: "none.png", 5: "seed", 6: "line 2"},
        **{7: "output", 9: "pose", 11: "expected 9 cells"},
    }.items():
        assert word in found[number]["reason"], found[number]
    assert (found[4]["videos"], found[4]["frames"]) == ("2", str(2 * int(found[0]["frames"])))
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.mp4")}
    assert names == {"a.mp4", "deep/e_0.mp4", "deep/e_1.mp4", "g.mp4", "i.mp4"}
    assert not list(tmp_path.rglob("*.part"))
    record = json.loads((tmp_path / "g.json").read_text())["made_from"]["config"]
    assert record["guidance"]["audio"] == 1.5 and record["emotion"] == {"happy": 1.0}
    (tmp_path / "none.png").write_bytes((world / "face.png").read_bytes())
    assert batch(world, table) == 2
    states = [row["status"] for row in outcomes(table)]
    assert (states.count("kept"), states.count("made"), states[3]) == (4, 1, "made")


def test_a_whole_batch_is_a_success_and_shares_what_is_given_for_all(world, tmp_path, capsys):
    rows = [{"output": f"{name}.mp4", "seed": seed} for name, seed in (("a", 0), ("b", ""))]
    table = write_table(tmp_path, rows)
    common = [f"image={world}/face.png", f"audio={world}/word.wav", "seed=4"]
    assert batch(world, table, *common) == 0
    assert "2 made, 0 kept, 0 failed" in capsys.readouterr().out
    seeds = [
        json.loads((tmp_path / f"{name}.json").read_text())["made_from"]["config"]["seed"]
        for name in "ab"
    ]
    assert seeds == [0, 4]
    assert generate(world, tmp_path / "a.mp4", *common[:2]) == 0
    assert "already complete" in capsys.readouterr().out, "a batch's video is an ordinary one"


def test_a_bug_costs_a_batch_one_row(world, tmp_path, capsys, monkeypatch):
    from vasa.cli.videos import Video

    make = Video.make

    def sometimes(self, studio):
        if self.output.name == "a.mp4":
            raise RuntimeError("no more memory")
        make(self, studio)

    monkeypatch.setattr(Video, "make", sometimes)
    table = write_table(tmp_path, [{"output": "a.mp4"}, {"output": "b.mp4"}])
    common = [f"image={world}/face.png", f"audio={world}/word.wav"]
    assert batch(world, table, *common) == 2
    assert [row["status"] for row in outcomes(table)] == ["failed", "made"]
    assert outcomes(table)[0]["reason"] == "RuntimeError: no more memory"
    assert "sometimes" in capsys.readouterr().err, "its traceback is shown"


def test_a_batch_holds_the_inputs_of_one_row_at_a_time(world, tmp_path, monkeypatch):
    from vasa.cli.videos import Video

    make, seen = Video.make, []

    def watched(self, studio):
        assert all(source() is None for source in seen), "the rows before are held"
        make(self, studio)
        seen.append(weakref.ref(self.source))

    monkeypatch.setattr(Video, "make", watched)
    table = write_table(tmp_path, [{"output": f"{index}.mp4"} for index in range(3)])
    assert batch(world, table, f"image={world}/face.png", f"audio={world}/word.wav") == 0
    assert len(seen) == 3


def test_models_that_do_not_load_are_no_rows_fault(world, tmp_path, capsys):
    table = write_table(tmp_path, [{"output": "a.mp4"}])
    words = [f"image={world}/face.png", f"audio={world}/word.wav", f"stage2={tmp_path}/none"]
    assert batch(world, table, *words) == 2
    _one_line(capsys, "no model at")
    assert not table.with_suffix(".results.csv").exists()


def test_columns_are_settings_of_the_configuration():
    from hydra import compose, initialize_config_dir

    from vasa.cli.mistakes import flat_keys
    from vasa.cli.paths import conf_dir

    with initialize_config_dir(version_base="1.3", config_dir=conf_dir()):
        cfg = compose(config_name="generate")
    keys = set(flat_keys(cfg))
    assert set(COLUMNS) <= keys
    assert set(COLUMNS) >= {key for key in keys if key.startswith("guidance.")}


def _one_line(capsys, *words):
    error = capsys.readouterr().err.strip().splitlines()
    lines = [line for line in error if line.startswith("vasa:")]
    assert len(lines) == 1, error
    assert all(word in lines[0] for word in words), lines[0]


def _write_bad(folder: Path) -> None:
    (folder / "text.txt").write_text("hello")
    (folder / "nothing.bin").write_bytes(b"")
    (folder / "columns.csv").write_text("image,audio,output,colour\na,b,c.mp4,red\n")
    (folder / "header.csv").write_text("image,audio,output\n")
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
        ("output={0}/text.txt/talking.mp4", ["expected a place", "talking.mp4"]),
        ("output={0}/face.mp4 image={0}/face.mp4", ["one of them"]),
        ("steps=0", ["from 1 on for steps"]),
        ("steps=2000", ["sampling steps"]),
        ("seed=first", ["whole number", "seed"]),
        ("num_samples=0", ["num_samples"]),
        ("paste=maybe", ["paste=true or false"]),
        ("hop_frames=0", ["hop_frames"]),
        ("hop_frames=500", ["500"]),
        ("guidance.audio=loud", ["guidance.audio"]),
        ("pose={{yaw: 90}}", ["-60 to 60 degrees", "yaw"]),
        ("pose={{nod: 1}}", ["yaw, pitch, roll"]),
        ("pose={0}/none.csv", ["expected a pose file", "none.csv"]),
        ("batch={0}/none.csv", ["batch=FILE.csv", "none.csv"]),
        ("batch={0}/columns.csv", ["image, audio", "colour"]),
        ("batch={0}/header.csv", ["expected rows"]),
        ("sampler=euler", ["expected sampler", "euler"]),
        ("emotion={{cheerful: 1.0}}", ["happy", "cheerful"]),
        ("gaze=[0.1]", ["gaze=[theta,phi]"]),
        ("distance=far", ["distance=mean"]),
        ("distance=-1", ["distance=mean"]),
        ("guidance.sound=1.0", ["guidance.sound"]),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(world, tmp_path, capsys, override, words):
    _write_bad(tmp_path)
    overrides = override.format(tmp_path).split(" ") if " image=" in override else None
    overrides = overrides or [override.format(tmp_path)]
    assert generate(world, tmp_path / "out.mp4", *overrides) == 2
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
    pictures = sorted((real_data_dir / "portraits").iterdir(), key=lambda path: path.stat().st_size)
    words = ["expert=null", f"image={pictures[0]}", "paste=true"]
    assert generate(world, tmp_path / "a.mp4", *words) == 0
    with Image.open(pictures[0]) as file:
        height, width = (length // 2 * 2 for length in (file.height, file.width))
    assert first_picture(tmp_path / "a.mp4").shape == (height, width, 3)
    wall = tmp_path / "wall.png"
    Image.new("RGB", (300, 200), (120, 110, 100)).save(wall)
    assert generate(world, tmp_path / "b.mp4", "expert=null", f"image={wall}") == 2
    _one_line(capsys, "expected a face in the image")


def test_emotions_named_leave_the_rest_neutral():
    assert emotion_weights(None) is None
    assert emotion_weights({"happy": 0.75}) == (0.25, 0.75, 0, 0, 0, 0, 0, 0)
    with pytest.raises(InputError, match="joy"):
        emotion_weights({"joy": 1.0})
