"""Rows, criteria and their text."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

from vasa.data.schema import FaceClip, FaceLabels
from vasa.evaluation.clips import choose_rows, to_evaluation_clip
from vasa.evaluation.metrics.clip_metric import MeanOverClips
from vasa.evaluation.report.curves import smooth
from vasa.evaluation.report.page import duration
from vasa.evaluation.report.summary import caveats
from vasa.evaluation.report.tables import cells, console_table, markdown_table, number
from vasa.evaluation.results import Bootstrap, Criterion, ResultRow, read_rows, write_rows
from vasa.types import InputError


def make_row(**changes) -> ResultRow:
    values = {
        "metric": "generated/mouth_correlation",
        "value": 0.61,
        "control": -0.02,
        "control_name": "shuffled | audio",
        "split": "test",
        "n": 24,
        "unit": "r",
        "higher_is_better": True,
        "ci_low": 0.55,
        "ci_high": 0.66,
    }
    return ResultRow(**(values | changes))


@pytest.mark.parametrize(
    ("rule", "bound", "value", "control", "is_met"),
    [
        ("above_control_by", 4.0, 24.0, 20.0, True),
        ("above_control_by", 4.0, 23.9, 20.0, False),
        ("at_least", 0.5, 0.5, 0.0, True),
        ("at_most", 5.0, 5.1, 0.0, False),
        ("at_most_times_control", 2.0, 0.08, 0.04, True),
        ("at_most_times_control", 2.0, 0.09, 0.04, False),
        ("control_within", 0.15, 0.9, -0.15, True),
        ("control_within", 0.15, 0.9, 0.16, False),
        ("times_control", 5.0, 0.5, 0.1, True),
        ("times_control", 5.0, 0.49, 0.1, False),
        ("at_least", 0.5, math.nan, 0.0, False),
        ("above_control_by", 1.0, 5.0, math.nan, False),
    ],
)
def test_criteria(rule: str, bound: float, value: float, control: float, is_met: bool) -> None:
    assert Criterion(metric="x", rule=rule, bound=bound).is_met(value, control) is is_met


def test_a_row_is_judged_by_the_criteria_that_name_it() -> None:
    row = make_row().judged(
        [
            Criterion(metric="generated/mouth_correlation", rule="at_least", bound=0.5),
            Criterion(metric="generated/mouth_correlation", rule="control_within", bound=0.01),
            Criterion(metric="other", rule="at_least", bound=9),
        ]
    )
    assert [criterion["passed"] for criterion in row.criteria] == [True, False]
    assert cells(row).is_passed is False
    assert "NOT met" in cells(row).verdict
    assert any("generated/mouth_correlation" in text for text in caveats([row]))


def test_rows_are_plain_json_and_come_back(tmp_path) -> None:
    path = tmp_path / "results.jsonl"
    row = make_row(ci_low=math.nan, stamp={"seed": 0, "experts": [{"name": "e", "hash": "f"}]})
    write_rows(path, [row, make_row()])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0]["ci_low"] is None and lines[0]["seed"] == 0
    again = read_rows(path)
    assert again[0].stamp == row.stamp and math.isnan(again[0].ci_low)
    assert again[1] == make_row()


def test_a_file_that_is_no_results_is_refused(tmp_path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text('{"metric": "x"}\n')
    with pytest.raises(InputError, match="line 1"):
        read_rows(path)
    path.write_text("no json\n")
    with pytest.raises(InputError, match="JSON object in line 1"):
        read_rows(path)


def test_row_of_metrics_takes_value_and_control_with_intervals() -> None:
    measured, control = MeanOverClips(), MeanOverClips()
    for value in (1.0, 2.0, 3.0):
        measured.update(torch.tensor(value))
        control.update(torch.tensor(0.5))
    row = Bootstrap(num_resamples=100, seed=0).row(
        metric="a/b", measured=measured, control=control, control_name="c", split="test", unit="dB"
    )
    assert (row.value, row.control, row.n) == (2.0, 0.5, 3)
    assert row.ci_low < 2.0 < row.ci_high
    assert row.control_ci_low == row.control_ci_high == 0.5


def test_numbers_as_text() -> None:
    assert number(23.456, "dB") == "23.46"
    assert number(-0.12345, "r") == "−0.123"
    assert number(-0.0001, "r") == "0.000"
    assert number(None) == number(math.nan) == "—"
    assert duration(30) == "30 s" and duration(600) == "10.0 min" and duration(9000) == "2.5 h"


def test_tables_hold_every_row_and_survive_bars() -> None:
    rows = [make_row(), make_row(metric="x/y", control=None)]
    lines = markdown_table(rows).splitlines()
    assert len(lines) == 4
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert "x/y" in console_table(rows)


def test_smoothing_starts_at_the_first_value_and_keeps_a_constant() -> None:
    assert smooth([4.0, 4.0, 4.0]).tolist() == pytest.approx([4.0, 4.0, 4.0])
    assert smooth([10.0, 0.0]).tolist() == [10.0, 0.0]
    values = [10.0] + [0.0] * 59
    assert smooth(values)[0] == pytest.approx(10.0) and 0 < smooth(values)[3] < 5


def test_clips_are_chosen_person_by_person() -> None:
    index = pd.DataFrame(
        {"key": ["a/0", "a/1", "a/2", "b/0", "b/1", "c/0"], "speaker": list("aaabbc")}
    )
    assert list(choose_rows(index, num_clips=4).key) == ["a/0", "b/0", "c/0", "a/1"]


def test_a_clip_is_cut_and_scaled_with_its_landmarks() -> None:
    count = 10
    labels = FaceLabels(
        landmarks=np.full((count, 68, 2), 40.0, np.float32),
        pose=np.zeros((count, 6), np.float32),
        gaze=np.zeros((count, 2), np.float32),
        blink=np.zeros(count, np.float32),
        emotion=np.zeros((count, 8), np.float32),
        quality=np.ones(count, np.float32),
        valid=np.array([False] * 2 + [True] * 8),
        mouth=np.zeros((count, 2), np.float32),
    )
    clip = FaceClip(
        key="a/b/c",
        speaker="a",
        split="test",
        source="s",
        licence="l",
        frames=np.full((count, 80, 80, 3), 100, np.uint8),
        audio=np.zeros(640 * count, np.float32),
        labels=labels,
    )
    found = to_evaluation_clip(clip, max_frames=6, image_size_px=40)
    assert found.frames.shape == (6, 3, 40, 40) and int(found.frames[0, 0, 5, 5]) == 100
    assert float(found.landmarks[0, 0, 0]) == 20.0
    assert len(found.audio) == 6 * 640
    assert found.source_index() == 2
    assert found.scored_indices(stride=2).tolist() == [3, 5]


def test_a_report_without_a_perceptual_distance_says_so() -> None:
    psnr, distance = (
        make_row(metric=f"self_reenactment/{name}", unit="dB") for name in ("psnr", "perceptual")
    )
    assert any("perceptual" in text for text in caveats([psnr]))
    assert not any("perceptual" in text for text in caveats([psnr, distance]))
    assert not any("perceptual" in text for text in caveats([make_row()]))
