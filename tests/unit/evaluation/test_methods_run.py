"""`vasa evaluate protocol=methods` on a tiny set with untrained networks: codec, cache, folders."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from published_files import PictureProbe, VideoProbe, install
from untrained import LENGTH, composed, plain, untrained_inputs

from data_prep.synth.clip import ClipSpec, make_clip
from vasa.data.shards import FaceShardWriter
from vasa.data.video import decode_mp4, write_video
from vasa.evaluation import runner
from vasa.evaluation.networks import Networks
from vasa.evaluation.settings import EvaluationSettings
from vasa.evaluation.tiles import VIDEO_TILE_PX
from vasa.evaluation.video_readings import VideoReader
from vasa.models.checkpoint import model_hash
from vasa.pretrained.registry import REGISTRY
from vasa.types import InputError


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> SimpleNamespace:
    return SimpleNamespace(inputs=untrained_inputs(tmp_path_factory.mktemp("methods")))


def run(world, output: Path, **changes):
    config = plain(composed("evaluate", "protocol=methods").evaluation)
    settings = {name: changes.pop(name) for name in ("list", "list_rule") if name in changes}
    config |= settings | {"num_clips": 3, "num_resamples": 20, "frame_stride": 3}
    config["generation"]["steps"] = 2
    small = {"num_samples": 1, "motion_window_frames": 5, "num_mels": 8, "train_clips": 3}
    config["methods"] |= small | changes
    return {
        row.metric: row
        for row in runner.evaluate(
            settings=EvaluationSettings.from_config(config),
            inputs=world.inputs,
            output=output,
            seed=0,
            device=torch.device("cpu"),
            environment={"command": "vasa evaluate", "commit": "abc"},
        )
    }


def test_all_methods_from_set_to_rows_and_nothing_is_made_twice(world, tmp_path, monkeypatch):
    rows = run(world, tmp_path / "results.jsonl", write_inputs=True)
    names = "real ours shuffled still random_motion retrieval ridge".split()
    for name in names:
        confidence = rows[f"methods/{name}/sync_confidence"]
        assert confidence.n == 3 and len(confidence.clip_values) == 3
        assert (
            confidence.stamp["device"] == "cpu" and confidence.stamp["command"] == "vasa evaluate"
        )
        assert confidence.stamp["loss_networks"]["perceptual"] is None, "no run wrote its settings"
        assert confidence.stamp["syncnet"] == f"own:{model_hash(world.inputs.syncnet)[:8]}"
        assert np.isfinite(rows[f"methods/{name}/frechet_frames"].value)
    assert rows["methods/still/jitter"].value < rows["methods/real/jitter"].value
    assert "ranking/sync_confidence" in rows and "reencoding/sync_confidence_change" in rows
    assert rows["methods/ours/sync_confidence"].stamp["experts"][0]["name"] == "FaceExpert"
    assert "methods/ours/capp" not in rows
    assert rows["methods/still/lip_velocity_error"].value > 0
    assert "methods/real/lip_distance" not in rows, "it is what others are compared with"

    speed, made = (rows[f"throughput/{name}_per_minute"] for name in ("scored", "generated"))
    assert speed.n == 3 * (len(names) + 1) and made.n == 3 * 5, "real and still are no work"
    assert f"{torch.get_num_threads()} threads, " in speed.note and " cores" in speed.note
    parts = {name: row.value for name, row in rows.items() if name.endswith("_s")}
    assert parts.pop("throughput/generating_s") == pytest.approx(60 / made.value)
    assert sum(parts.values()) == pytest.approx(60 / speed.value)
    beside = decode_mp4((tmp_path / "eval" / "videos" / "methods_0.mp4").read_bytes())
    assert beside.shape[0] == LENGTH and beside.shape[2] == len(names) * VIDEO_TILE_PX

    cache = tmp_path / "eval" / "parts" / "shared" / "methods"
    videos = sorted(cache.rglob("*.mp4"))
    assert len(videos) == 3 * len(names)
    assert decode_mp4(videos[0].read_bytes()).shape == (LENGTH, 64, 64, 3)
    assert len(list((tmp_path / "eval" / "inputs").glob("*.wav"))) == 3

    # Killed before the rows were written, and another method added: that one alone is made.
    output = tmp_path / "results.jsonl"
    output.unlink()
    keys = [name.stem for name in (tmp_path / "eval" / "inputs").glob("*.png")]
    theirs = tmp_path / "theirs"
    for key in keys[:2]:
        frames = np.zeros((LENGTH if key == keys[0] else 12, 96, 96, 3), np.uint8)
        write_video(theirs / f"{key}.mp4", frames)
    stamps = {path: path.stat().st_mtime_ns for path in cache.rglob("*.*")}
    monkeypatch.setattr(Networks, "talker", None)
    reads: list[int] = []
    read = VideoReader.read
    monkeypatch.setattr(
        VideoReader, "read", lambda self, *args: reads.append(1) or read(self, *args)
    )
    more = run(world, output, write_inputs=True, folders={"theirs": str(theirs)})
    assert len(reads) == 1 and more["throughput/scored_per_minute"].n == 1
    assert "throughput/generated_per_minute" not in more, "a folder's videos are no work of ours"
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    row = more["methods/theirs/sync_confidence"]
    assert row.n == 1 and "2 of 3 clips not scored" in row.note
    assert "1 no file" in row.note and "12 frames for 30" in row.note
    assert more["methods/theirs/sync_confidence_minus_ours"].n == 1
    assert more["methods/ours/sync_confidence"].value == rows["methods/ours/sync_confidence"].value


@pytest.fixture(scope="module")
def longer(world, tmp_path_factory) -> SimpleNamespace:
    """The same networks and clips of two seconds."""
    root = tmp_path_factory.mktemp("longer")
    with FaceShardWriter(root, clips_per_shard=8, prep_version="1") as writer:
        for person in range(2):
            writer.write(
                make_clip(
                    ClipSpec(split="test", person=person, clip=0, size=64, seconds=2.0, seed=0)
                )
            )
    return SimpleNamespace(inputs=replace(world.inputs, data=root, stage2=None))


def test_distances_that_were_published_are_measured_where_asked(longer, tmp_path, monkeypatch):
    asked = {"names": ["real", "still"], "published": ["fvd_25", "fid"], "fvd_rows": 3}
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VASA_WEIGHTS", str(tmp_path))
    with pytest.raises(InputError, match=r"inception-2015-12-05\.pt.*VASA_WEIGHTS"):
        run(longer, tmp_path / "none.jsonl", **asked)
    install(monkeypatch, tmp_path / "weights", i3d=VideoProbe(), inception=PictureProbe())
    rows = run(longer, tmp_path / "results.jsonl", **asked)
    for name, expert in (("fvd_25", "i3d"), ("fid", "inception")):
        row = rows[f"methods/still/{name}"]
        digest = REGISTRY[expert].sha256[:8]
        assert row.stamp["features"] == f"{expert}:{digest}" and digest in row.note
        assert row.n == 2 and np.isfinite(row.value) and row.control is not None
        assert rows[f"ranking/{name}"].n == 2
    assert "2 rows against 2" in rows["methods/still/fvd_25"].note, "one place in a half of 25"
    readings = [np.load(path) for path in (tmp_path / "eval").rglob("*.npz")]
    assert {one["clips"].shape[:2] for one in readings} == {(2, 1)}
    # What reached the networks of real and of held frames: the range that each asks for.
    seen = [one["clips"][:, 0] for one in readings]
    assert all(-1 <= x[:, 0].min() < -0.3 and 0.3 < x[:, 1].max() <= 1 for x in seen)
    pictures = np.concatenate([one["inception"] for one in readings])
    assert pictures[:, 1].max() > 128 and (pictures[:, 3] < 1e-3).all()
    plain = run(longer, tmp_path / "plain" / "results.jsonl", names=["real", "still"])
    assert not any("fvd" in name or name.endswith("fid") for name in plain)


def test_motion_is_taken_from_the_set_that_is_named(world, tmp_path):
    library = tmp_path / "library"
    with FaceShardWriter(library, clips_per_shard=8, prep_version="1") as writer:
        for person in (10, 11):
            spec = ClipSpec(split="train", person=person, clip=0, size=64, seconds=1, seed=0)
            writer.write(make_clip(spec))
    names = ["real", "random_motion", "ridge"]
    rows = run(world, tmp_path / "results.jsonl", names=names, library=str(library))
    shared = tmp_path / "eval"
    assert len(list(shared.rglob("library-*/*.npz"))) == 2
    own = run(world, tmp_path / "own.jsonl", names=names)
    assert len(list(shared.rglob("library-*/*.npz"))) == 2 + 3
    name = "methods/random_motion/pose_variation_deg"
    assert rows[name].value != own[name].value
    assert rows["methods/real/jitter"].value == own["methods/real/jitter"].value


def test_a_list_names_exactly_the_clips(world, tmp_path):
    output, path = tmp_path / "results.jsonl", tmp_path / "lists" / "synth.txt"
    beside = run(world, output, names=["real"], list_rule="synth")
    assert (tmp_path / "synth.txt").is_file(), "without a file the list lies beside the results"
    first = run(world, output, names=["real"], list=str(path), list_rule="synth")
    told, same = (rows["methods/real/jitter"].stamp["clip_list"] for rows in (beside, first))
    assert told["file"] == str(tmp_path / "synth.txt") and told["sha256"] == same["sha256"]
    assert path.is_file() and first["methods/real/sync_confidence"].n == 3
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:4]))
    rows = run(world, output, names=["real"], list=str(path))
    row = rows["methods/real/sync_confidence"]
    assert row.n == 2
    assert row.stamp["clip_list"]["sha256"] != first[row.metric].stamp["clip_list"]["sha256"]
    path.write_text("nobody/v0/000\n")
    with pytest.raises(InputError, match="nobody/v0/000"):
        run(world, output, names=["real"], list=str(path))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"names": ["real", "wav2lip"]}, "wav2lip.*folders"),
        ({"folders": {"ours": "x"}}, "name of its own"),
        ({"retrieval_frames": 5}, "even"),
        ({"published": ["fvd"]}, "fvd_25, fid.*got fvd"),
        ({"fvd_rows": 0}, "fvd_rows of at least 1"),
        ({"ridge_folds": 1}, "ridge_folds of 2"),
        ({"library": "no/such/set", "names": ["real", "ridge"]}, "no/such/set"),
        ({"folders": {"theirs": "no/such/folder"}}, "folder of mp4 files"),
        ({"folders": {"theirs": "."}}, "named by clip key.*write_inputs"),
    ],
)
def test_mistakes_are_named(world, tmp_path, monkeypatch, changes, match):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=match):
        run(world, tmp_path / "results.jsonl", **changes)


def test_folders_and_list_rules_are_given_on_the_command_line():
    given = (
        "evaluation.methods.folders={sadtalker: /videos}",
        "+evaluation.list_rules.mine={num_speakers: 10, min_seconds: 4}",
        *("evaluation.list=mine.txt", "evaluation.list_rule=mine"),
    )
    config = composed("evaluate", "protocol=methods", "evaluation=real", *given).evaluation
    settings = EvaluationSettings.from_config(plain(config))
    assert settings.methods.outside == {"sadtalker": "/videos"}
    assert settings.list_rules["mine"].num_speakers == 10
    with pytest.raises(InputError, match="list_rule of synth"):
        EvaluationSettings.from_config(plain(config) | {"list_rule": "theirs"})


@pytest.mark.parametrize(
    ("name", "seconds"), [("voxceleb2", 15), ("onemin", 60), ("hdtf", 15), ("grid", 3)]
)
def test_a_benchmark_is_one_word_on_the_command_line(name, seconds):
    settings = EvaluationSettings.from_config(
        plain(composed("evaluate", f"evaluation={name}").evaluation)
    )
    assert settings.protocols == ["methods"] and settings.methods.num_samples == 3
    assert settings.list_rule == settings.name == name and settings.max_seconds == seconds
    assert settings.instrument is not None and not settings.criteria


def test_ours_needs_stage_two_and_others_do_not(world, tmp_path):
    alone = SimpleNamespace(inputs=replace(world.inputs, stage2=None))
    with pytest.raises(InputError, match="stage2=RUN"):
        run(alone, tmp_path / "results.jsonl")
    assert "methods/still/jitter" in run(alone, tmp_path / "results.jsonl", names=["real", "still"])
    shutil.rmtree(tmp_path / "eval")
