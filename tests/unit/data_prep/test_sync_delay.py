"""Delays are what they are called, every delay comes as often, and scores count what they say."""

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_prep.decode import stream_frames
from data_prep.decode_sound import read_sound
from vasa.data.schema import SAMPLES_PER_FRAME, FaceClip, FaceLabels
from vasa.data.shards import FaceShardWriter
from vasa.data.video import write_video
from vasa.models.checkpoint import save_model
from vasa.models.sync_score import sync_result
from vasa.models.syncnet import SyncNet

SCRIPT = Path(__file__).parents[3] / "experiments" / "002-preparation" / "sync_delay.py"
SIZES = {
    "size": 32,
    "top": 0.4,
    "visual_widths": [8],
    "audio_widths": [8],
    "num_mels": 16,
    "hidden": 16,
    "embedding_dim": 8,
    "groups": 4,
}


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


@pytest.mark.parametrize("delay", [-8, -1, 0, 3, 8])
def test_picture_i_gets_the_sound_of_picture_i_minus_delay(script, delay) -> None:
    frames = np.arange(40).reshape(-1, 1, 1, 1)
    audio = np.arange(40 * SAMPLES_PER_FRAME) // SAMPLES_PER_FRAME
    pictures, sound = script["moved"](frames, audio, delay)
    assert len(pictures) == 32
    assert (sound.reshape(32, -1) == pictures.reshape(32, 1) - delay).all()


@pytest.mark.parametrize("delay", [-6, 0, 5])
def test_the_sign_is_that_of_the_sync_score(script, delay) -> None:
    import torch

    code = torch.nn.functional.normalize(torch.randn(60, 16, generator=torch.manual_seed(0)), dim=1)
    pictures, sound = script["moved"](
        code.numpy(), code.numpy().repeat(SAMPLES_PER_FRAME, axis=0), delay
    )
    windows = torch.from_numpy(np.ascontiguousarray(sound[::SAMPLES_PER_FRAME]))
    assert sync_result(torch.from_numpy(pictures), windows).offset_frames == delay


def test_every_delay_comes_as_often_and_no_clip_has_one_twice(script) -> None:
    delay_of = script["delay_of"]
    for copies in (1, 3, 5):
        delays = [delay_of(clip, copy) for clip in range(34) for copy in range(copies)]
        assert sorted(delays) == sorted(2 * copies * list(range(-8, 9)))
    assert sorted(delay_of(4, copy) for copy in range(17)) == list(range(-8, 9))


def clicks(num_frames: int, at: int) -> tuple[np.ndarray, np.ndarray]:
    """A clip that turns white, with a burst, at one frame."""
    frames = np.zeros((num_frames, 32, 32, 3), np.uint8)
    frames[at] = 255
    audio = np.zeros(num_frames * SAMPLES_PER_FRAME, np.float32)
    audio[at * SAMPLES_PER_FRAME : (at + 1) * SAMPLES_PER_FRAME] = np.sin(np.arange(640) / 4) / 2
    return frames, audio


def test_files_hold_their_delay(script, tmp_path) -> None:
    for person in ("anna", "bert"):
        for take in range(2):
            frames, audio = clicks(40, 20)
            write_video(tmp_path / "raw" / person / f"{take}.mp4", frames, audio)
    script["main"](["move", str(tmp_path / "raw"), str(tmp_path / "moved"), "3", "2", "*/*.mp4"])
    delays = json.loads((tmp_path / "moved" / "delays.json").read_text())
    assert [key.split("_")[0] for key in delays][::2] == ["anna/0", "bert/0", "anna/1"]
    assert len(delays) == 6
    assert len(set(delays.values())) == 6
    for key, delay in delays.items():
        path = tmp_path / "moved" / f"{key}.mp4"
        pictures = np.stack(list(stream_frames(path))).mean(axis=(1, 2, 3))
        sound = read_sound(path)
        sound = np.abs(sound[: len(sound) // 640 * 640]).reshape(-1, 640).mean(axis=1)
        assert len(pictures) == 32
        assert sound.argmax() - pictures.argmax() == delay


def test_rendered_clips_are_of_a_person_each(script, tmp_path) -> None:
    for name in ("a", "b"):
        write_video(tmp_path / "test" / f"{name}.mp4", *clicks(20, 5))
        (tmp_path / "test" / f"{name}.npz").touch()
    assert [person for person, _ in script["in_turn"](tmp_path, [])] == ["a", "b"]
    assert script["in_turn"](tmp_path, ["train/*"]) == []


def found(script, delay: int, offset: int, person: str = "anna") -> Any:
    return script["Found"](person=person, delay=delay, offset=offset, chance=0.1, confidence=0.3)


def test_shares_and_errors(script) -> None:
    offsets = [3, 4, 2, 5, -3]
    row = script["summary"]([found(script, 3, offset) for offset in offsets], 3)
    assert (row.clips, row.people, row.exact, row.within) == (5, 1, 0.2, 0.6)
    assert row.median == 1
    assert row.chance == pytest.approx(0.1)
    assert row.low is None


def test_the_interval_is_over_people(script) -> None:
    items = [
        found(script, 0, 5 * (person % 2), f"p{person}") for person in range(40) for _ in range(10)
    ]
    row = script["summary"](items)
    assert row.within == 0.5
    assert row.high - row.low == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(40), rel=0.25)


def test_chance_is_of_the_shifts_that_were_tried(script) -> None:
    chance = script["chance_within"]
    assert chance(0, 75) == pytest.approx(3 / 31)
    assert chance(8, 22) == pytest.approx(2 / 17)  # 18 windows: shifts of at most 8
    assert chance(9, 22) == pytest.approx(1 / 17)
    assert chance(12, 22) == 0


def prepared(root: Path, shifts: dict[str, int], offsets: dict[str, float]) -> None:
    """A set whose clips hold what the sync step said."""
    num = 24
    rng = np.random.default_rng(0)
    labels = FaceLabels(
        pose=np.zeros((num, 6)),
        gaze=np.zeros((num, 2)),
        blink=np.zeros(num),
        mouth=np.zeros((num, 2)),
        landmarks=np.zeros((num, 68, 2)),
        emotion=np.zeros((num, 8)),
        quality=np.ones(num),
        valid=np.ones(num, bool),
    )
    with FaceShardWriter(root, clips_per_shard=9, prep_version="test") as writer:
        for name in shifts:
            writer.write(
                FaceClip(
                    key=f"{name}/000",
                    speaker=name.split("/")[0],
                    split="test",
                    source="",
                    licence="",
                    frames=rng.integers(0, 255, (num, 32, 32, 3), dtype=np.uint8),
                    audio=rng.normal(0, 0.1, num * SAMPLES_PER_FRAME).astype(np.float32),
                    labels=labels,
                    extra={
                        "sound_shift_frames": shifts[name],
                        "measures": {
                            "sync_offset_frames": offsets[name],
                            "sync_confidence": 0.25,
                        },
                    },
                )
            )


def test_a_set_is_measured_against_its_delays(script, tmp_path) -> None:
    delays = {"anna/x_00": 4, "bert/y_00": -2, "carl/z_00": 4, "dora/gone_00": 1}
    offsets = {"anna/x_00": 5.0, "bert/y_00": -2.0, "carl/z_00": -7.0}
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / "delays.json").write_text(json.dumps(delays))
    prepared(tmp_path / "set", dict.fromkeys(offsets, 0), offsets)
    prepared(tmp_path / "shifted", {name: int(n) for name, n in offsets.items()}, offsets)
    save_model(
        SyncNet(**SIZES),
        {"_target_": "vasa.models.syncnet.SyncNet", **SIZES},
        tmp_path / "net" / "model",
    )
    folders = [str(tmp_path / name) for name in ("moved", "set", "net", "out.json", "shifted")]
    script["main"](["score", "waves", *folders])
    record = json.loads((tmp_path / "out.json").read_text())["waves"]
    assert [(row["delay"], row["clips"], row["within"]) for row in record["by_delay"]] == [
        (-2, 1, 1),
        (4, 2, 0.5),
    ]
    assert record["copies"] == 4
    assert record["all"]["within"] == pytest.approx(2 / 3)
    assert record["all"]["exact"] == pytest.approx(1 / 3)
    # moved by what was found: 1, 0 and 11 frames are left
    assert record["left"][0]["within"] == pytest.approx(2 / 3)
    assert record["left"][0]["median"] == 1
    assert record["confidence"] == 0.25
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- sync -->\nold 99%\n<!-- /sync -->\nafter\n")
    script["main"](["publish", folders[3], str(readme)])
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "**waves**: 3 prepared clips of 4 copies, 3 people, 24 frames" in text
    assert "| +4 | 2 | 0% | 50% |" in text
    assert "| left after `shift` | 3 | 33% | 67% |" in text
