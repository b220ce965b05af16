"""What a run made while it trained is on the page: curves, histograms of codes, pictures, clips."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from vasa.data.video import write_video
from vasa.evaluation.report.curves import curve_names, histograms_svg
from vasa.evaluation.report.page import write_report
from vasa.evaluation.report.runs import read_run


@pytest.fixture
def run(tmp_path) -> Path:
    folder = tmp_path / "run"
    (folder / "samples").mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"stage": "stage1", "name": "tiny"}))
    lines = [
        {"step": step, "speed/steps_per_s": 2.0, "device/memory_gb": 1.0, "train/a": 1 / step}
        for step in (1, 2, 3)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for step in range(1, 8):
        counted = {"z_dyn": {"counts": [step, 1], "edges": [0.0, 1.0, 2.0 * step]}}
        (folder / "samples" / f"histograms_{step:07d}.json").write_text(json.dumps(counted))
        Image.new("RGB", (8, 8)).save(folder / "samples" / f"warp_field_{step:07d}.png")
    (folder / "samples" / "histograms_0000009.json").write_text('{"z_dyn": ')
    write_video(
        folder / "samples" / "reenacted_clip_0000007.mp4", np.zeros((3, 16, 16, 3), np.uint8)
    )
    return folder


def test_a_run_is_read_with_all_that_it_made(run):
    found = read_run(run)
    assert [step for step, _ in found.histograms["z_dyn"]] == list(range(1, 8))
    assert {name: sample.step for name, sample in found.samples.items()} == {
        "reenacted_clip": 7,
        "warp_field": 7,
    }
    assert curve_names(found) == ["train/a", "device/memory_gb", "speed/steps_per_s"]


def test_histograms_are_drawn_from_the_first_step_to_the_last(run):
    svg = histograms_svg(read_run(run))
    assert svg is not None
    shown = [step for step in range(1, 10) if f"<!-- {step} -->" in svg.split("<!-- step -->")[1]]
    assert shown == [1, 3, 5, 7]


def test_the_page_has_the_clip_as_a_video(run, tmp_path):
    page = tmp_path / "report.html"
    write_report(runs=[run], results=None, output=page, tables=[])
    text = page.read_text()
    assert text.count("<video controls") == 1 and "data:video/mp4;base64," in text
    assert "Latents of the averaged network" in text
    assert '<div class="svg"><svg' in text and "&lt;svg" not in text, "drawn, not spelled out"
    assert "http://" not in text.replace("http://www.w3.org", ""), "one page, nothing fetched"
    assert "with the driver" in text
