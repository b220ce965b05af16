"""Every notebook runs from top to bottom on a small made-up run folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


@pytest.fixture
def small_run(tmp_path: Path) -> Path:
    run = tmp_path / "quickstart"
    (run / "stage1").mkdir(parents=True)
    names = ("self_reenactment/psnr", "generated/mouth_correlation", "probe/z_dyn/yaw_r2")
    common = {"control_name": "control", "split": "test", "n": 3, "unit": ""}
    rows = [{"metric": name, "value": 0.5, "control": 0.1, **common} for name in names]
    (run / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    curve = [{"step": step, "time_s": step, "train/loss": 1 / step} for step in (1, 2, 3)]
    (run / "stage1" / "metrics.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in curve)
    )
    return run


@pytest.mark.parametrize("notebook", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_runs(notebook, small_run, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbmake", "-q", "-p", "no:cacheprovider"]
        + ["-c", os.devnull, f"--rootdir={tmp_path}", str(notebook)],
        env={**os.environ, "VASA_RUN": str(small_run), "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
