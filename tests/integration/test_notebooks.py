"""Every notebook runs from top to bottom on a small made-up run folder, and draws."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_faces import draw_clip
from small_runs import save_small_runs

from vasa.data.shards import FaceShardWriter

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
PICTURES = {"1_look_at_a_data_set": 4, "2_play_with_latents": 5, "3_compare_runs": 2}
"""Notebooks with the pictures that they draw at least."""


@pytest.fixture(scope="module")
def small_run(tmp_path_factory) -> Path:
    run = save_small_runs(tmp_path_factory.mktemp("runs") / "quickstart")
    with FaceShardWriter(run / "data", clips_per_shard=4, prep_version="1") as writer:
        for speaker, split in enumerate(("train", "train", "test", "test")):
            writer.write(draw_clip(speaker=speaker, clip=0, num_frames=12, split=split))
    names = ("self_reenactment/psnr", "generated/mouth_correlation", "probe/z_dyn/yaw_r2")
    common = {"control_name": "control", "split": "test", "n": 3, "unit": "", "seed": 0}
    rows = [{"metric": name, "value": 0.5, "control": 0.1, **common} for name in names]
    (run / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, seed in (("stage1", 0), ("stage2", 1)):
        curve = [{"step": step, "time_s": step, "train/loss": 1 / step} for step in (1, 2, 3)]
        (run / name / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in curve))
        (run / name / "config.yaml").write_text(f"seed: {seed}\nmodule: {{name: same}}\n")
    return run


def test_all_notebooks_are_known():
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(PICTURES)


@pytest.mark.parametrize("name", PICTURES)
def test_notebook_runs(name, small_run, tmp_path):
    copy = tmp_path / f"{name}.ipynb"
    copy.write_text((NOTEBOOKS / copy.name).read_text())
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbmake", "--overwrite", "-q", "-p", "no:cacheprovider"]
        + ["-c", os.devnull, f"--rootdir={tmp_path}", str(copy)],
        env={**os.environ, "VASA_RUN": str(small_run)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    outputs = [o for c in json.loads(copy.read_text())["cells"] for o in c.get("outputs", [])]
    drawn = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(drawn) >= PICTURES[name]


@pytest.mark.parametrize("name", PICTURES)
def test_notebook_is_kept_without_outputs_and_defines_nothing(name):
    cells = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    lines = [line for cell in cells if cell["cell_type"] == "code" for line in cell["source"]]
    assert not [line for line in lines if line.startswith(("def ", "class "))]
