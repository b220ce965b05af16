"""Scores in a README come from a run's records, and only between the marks."""

import json
import runpy
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "experiments" / "publish.py"
ROW = {
    "metric": "self_reenactment/psnr",
    "value": 27.5,
    "ci_low": 27.0,
    "ci_high": 28.0,
    "control": 23.25,
    "control_name": "copying the source frame",
    "unit": "dB",
    "n": 24,
    "seed": 3,
    "commit": "0123456789abcdef",
    "is_dirty": True,
    "machine": "a machine",
    "date": "2026-01-02T03:04:05Z",
    "criteria": [{"passed": False, "text": "at least 5 above the control"}],
}


def publish(run: Path, readme: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(run), str(readme)])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def test_only_what_stands_between_the_marks_is_replaced(tmp_path, monkeypatch) -> None:
    (tmp_path / "results.jsonl").write_text(json.dumps(ROW) + "\n")
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- results -->\nold 99.9\n<!-- /results -->\nafter\n")
    publish(tmp_path, readme, monkeypatch)
    once = readme.read_text()
    assert once.startswith("before\n")
    assert once.endswith("after\n")
    assert "old" not in once
    assert "24 held-out clips, seed 3, commit 0123456789ab+changes" in once
    assert "27.500" in once
    assert "23.250" in once
    assert "NOT met: at least 5 above the control" in once
    publish(tmp_path, readme, monkeypatch)
    assert readme.read_text() == once


def test_rows_of_real_clips_follow_the_pictures(tmp_path, monkeypatch) -> None:
    measured = ("identity_to_others", "perceptual", "pose_error", "landmark_nme")
    names = ("self_reenactment/psnr", *(f"self_reenactment/{name}" for name in measured))
    lines = [json.dumps(ROW | {"metric": name, "criteria": []}) for name in names]
    (tmp_path / "results.jsonl").write_text("\n".join(lines))
    readme = tmp_path / "README.md"
    readme.write_text("<!-- results -->\n<!-- /results -->\n")
    publish(tmp_path, readme, monkeypatch)
    rows = [line.split("`")[1] for line in readme.read_text().splitlines() if "`" in line]
    shown = ("psnr", "perceptual", "landmark_nme", "identity_to_others")
    assert rows == [f"self_reenactment/{name}" for name in shown]


def test_a_readme_without_marks_is_refused(tmp_path, monkeypatch) -> None:
    (tmp_path / "results.jsonl").write_text(json.dumps(ROW) + "\n")
    (tmp_path / "README.md").write_text("nothing to replace\n")
    with pytest.raises(SystemExit, match="expected the lines"):
        publish(tmp_path, tmp_path / "README.md", monkeypatch)
