"""Errors of labels: known offsets come out as the numbers they are, controls come out worse."""

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vasa.data.schema import SAMPLES_PER_FRAME, FaceClip, FaceLabels
from vasa.data.shards import FaceShardWriter
from vasa.geometry.rotation import rotation_from_angles

SCRIPT = Path(__file__).parents[3] / "experiments" / "002-preparation" / "label_accuracy.py"
NUM_FRAMES, FIRST, SIZE = 30, 4, 200
CENTRE, SIDE = np.array([90.0, 110.0]), 160.0


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def waves(num_clips: int = 6, *, columns: int = 1) -> tuple[np.ndarray, ...]:
    """Truths that differ within and between clips."""
    rng = np.random.default_rng(0)
    return tuple(
        10.0 * i + np.cumsum(rng.normal(size=(NUM_FRAMES, columns)), 0) for i in range(num_clips)
    )


def score(script: dict[str, Any], labels, truths, **kwargs) -> Any:
    pair = script["Pair"](name="x", unit="deg", labels=labels, truths=truths, **kwargs)
    return script["score"](pair)


def test_an_offset_is_all_bias(script) -> None:
    truths = waves()
    row = score(script, tuple(truth + 2.0 for truth in truths), truths)
    expected = {"mae": 2, "ci_low": 2, "ci_high": 2, "median": 2, "p95": 2, "bias": 2}
    expected |= {"centred": 0, "within": 0, "r": 1, "r_low": 1, "r_within": 1, "slope": 1}
    found = {name: getattr(row, name) for name in expected}
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_clips_own_offset_stays_in_centred_and_leaves_within(script) -> None:
    truths = waves(2)
    row = score(script, (truths[0] + 1.0, truths[1] - 3.0), truths)
    assert (row.mae, row.bias, row.centred) == pytest.approx((2.0, -1.0, 2.0))
    assert row.within == pytest.approx(0, abs=1e-9)


def test_a_label_that_moves_too_little_has_a_small_slope(script) -> None:
    truths = waves()
    row = score(script, tuple(0.25 * truth for truth in truths), truths)
    assert row.slope == pytest.approx(0.25)
    assert row.r == pytest.approx(1)


def test_angles_wrap(script) -> None:
    truths = (np.full((NUM_FRAMES, 1), -179.0), np.linspace(170, 179, NUM_FRAMES)[:, None])
    labels = (np.full((NUM_FRAMES, 1), 179.0), truths[1] - 2.0)
    assert score(script, labels, truths, period=360.0).bias == pytest.approx(-2)
    assert score(script, labels, truths).mae > 100


def test_controls_expose_a_label_that_knows_nothing(script) -> None:
    truths = waves()
    good = score(script, tuple(truth + 0.1 for truth in truths), truths)
    assert good.mae < 0.1 * min(good.shuffled, good.constant, good.constant_within)
    blind = score(script, tuple(np.full_like(truth, 25.0) for truth in truths), truths)
    assert blind.within == pytest.approx(blind.constant_within)
    assert (blind.r, blind.r_low, blind.r_within, blind.slope) == (None, None, None, None)


def test_no_clip_is_its_own_control(script) -> None:
    truths = tuple(np.full((NUM_FRAMES, 1), 100.0 * i) for i in range(5))
    pair = script["Pair"](name="x", unit="", labels=truths, truths=truths)
    assert min(np.abs(error).min() for error in script["_shuffled"](pair)) >= 100


def test_points_are_scored_by_the_root_mean_square_of_distances(script) -> None:
    truths = waves(3, columns=4)
    moved = np.array([3.0, 4.0, 0.0, 0.0])
    row = score(script, tuple(truth + moved for truth in truths), truths, num_points=2)
    assert row.mae == pytest.approx(np.sqrt(25 / 2))
    assert row.centred == pytest.approx(0, abs=1e-9)
    assert row.r is None


def test_the_interval_is_over_clips(script) -> None:
    truths = waves(40)
    labels = tuple(truth + (2.0 if i % 2 else 0.0) for i, truth in enumerate(truths))
    row = score(script, labels, truths)
    assert row.mae == pytest.approx(1)
    # 40 clips of 0 or 2: standard error 1 / sqrt(40), though there are 1200 frames
    assert row.ci_high - row.ci_low == pytest.approx(2 * 1.96 / np.sqrt(40), rel=0.25)


def raw_truth(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    num = NUM_FRAMES + FIRST
    return {
        "pose": rng.normal(0, 0.1, (num, 6)),
        "gaze": rng.normal(0, 0.1, (num, 2)),
        "blink": rng.uniform(size=num),
        "mouth": rng.uniform(size=(num, 2)),
        "landmarks": rng.uniform(50, 150, (num, 68, 2)),
    }


def test_the_truth_is_carried_into_the_crop(script) -> None:
    truth = raw_truth(0)
    truth["pose"][0] = [0.1, 0.2, 0.3, 0.0, 0.0, 0.0]
    truth["landmarks"][0, 0] = CENTRE
    truth["landmarks"][0, 1] = CENTRE - SIDE / 2
    found = script["truth_in_crop"](truth, size=SIZE, centre=CENTRE, side=SIDE)
    # the picture's middle (100, 100) is 10 px right of and above the crop's, whose half is 80 px
    assert found["pose"][0] == pytest.approx([0.1, 0.2, 0.3, 0.125, -0.125, np.log(200 / 160)])
    assert found["landmarks"][0, :2] == pytest.approx(np.array([[0.5, 0.5], [0, 0]]))
    assert truth["pose"][0, 3] == 0


def test_an_offset_in_the_head_is_joined(script) -> None:
    offset = np.array([0.02, -0.07, -0.17])
    clips = []
    for seed in range(3):
        pose = raw_truth(seed)["pose"]
        matrix = rotation_from_angles(torch.from_numpy(pose[:, :3])).numpy()[:, :2]
        label = pose.copy()
        label[:, 3:5] += np.exp(pose[:, 5:]) * (matrix @ offset)
        clips.append(script["Clip"](labels={"pose": label}, truth={"pose": pose}))
    moved, found = script["join_origins"](clips)
    assert found == pytest.approx(offset, abs=1e-9)
    assert moved[1] == pytest.approx(clips[1].truth["pose"][:, 3:5], abs=1e-9)


def prepared_set(root: Path, script: dict[str, Any]) -> tuple[Path, Path]:
    """Two clips whose labels are the truth but for yaw, which is 0.1 rad more, and an untrusted
    frame; a third was not found."""
    raw, out = root / "raw", root / "set"
    (raw / "train").mkdir(parents=True)
    (raw / "config.json").write_text(json.dumps({"size": SIZE, "seed": 7}))
    with FaceShardWriter(out, clips_per_shard=5, prep_version="test") as writer:
        for number in range(3):
            truth = raw_truth(number)
            np.savez(raw / "train" / f"c{number}.npz", **truth)  # type: ignore[arg-type]
            if number == 2:
                continue
            seen = script["truth_in_crop"](truth, size=SIZE, centre=CENTRE, side=SIDE)
            seen = {name: array[FIRST:].copy() for name, array in seen.items()}
            seen["pose"][:, 0] += 0.1
            seen["pose"][9, 0] = 3.0
            seen["landmarks"] = 32 * seen["landmarks"]
            labels = FaceLabels(
                **seen,
                emotion=np.zeros((NUM_FRAMES, 8)),
                quality=np.ones(NUM_FRAMES),
                valid=np.arange(NUM_FRAMES) != 9,
            )
            writer.write(
                FaceClip(
                    key=f"train/c{number}/000",
                    speaker="train",
                    split="train",
                    source="",
                    licence="",
                    frames=np.zeros((NUM_FRAMES, 32, 32, 3), np.uint8),
                    audio=np.zeros(NUM_FRAMES * SAMPLES_PER_FRAME, np.float32),
                    labels=labels,
                    extra={
                        "first_frame": FIRST,
                        "crop_px": SIDE,
                        "crop_centre_px": list(CENTRE),
                    },
                )
            )
    return raw, out


def test_a_set_is_measured_against_its_own_frames(script, tmp_path) -> None:
    raw, out = prepared_set(tmp_path, script)
    found = script["measure"](raw, out)
    assert (found["clips"], found["raw_clips"]) == (2, 3)
    assert (found["frames"], found["raw_frames"]) == (58, 102)
    rows = {row["name"]: row for row in found["scores"]}
    assert rows["yaw"]["bias"] == pytest.approx(np.rad2deg(0.1), abs=1e-4)
    assert rows["yaw"]["p95"] == pytest.approx(np.rad2deg(0.1), abs=1e-4)
    for name in set(rows) - {"yaw"}:
        assert rows[name]["mae"] == pytest.approx(0, abs=1e-4), name
        assert rows[name]["shuffled"] > 0.01, name
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- labels -->\nold 99.9\n<!-- /labels -->\nafter\n")
    script["publish"](found, readme)
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "2 of 3 clips found (67%), 58 of 102 frames (57%); seed 7" in text
    assert "| yaw | deg | 5.73 | 5.73 … 5.73 |" in text


def test_clips_of_another_folder_are_refused(script, tmp_path) -> None:
    raw, out = prepared_set(tmp_path, script)
    (raw / "train" / "c1.npz").unlink()
    with pytest.raises(SystemExit, match=r"found no c1\.npz"):
        script["read_clips"](raw, out)
