"""The README's way from one machine to a cluster is run, line by line, at fewer steps."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 1800
FEWER = {"max_steps": 6, "module.encoder_steps": 3, "people.train": 8, "module.warmup_steps": 2}


def lines() -> str:
    """The block between the README's marks."""
    text = (ROOT / "README.md").read_text()
    (block,) = re.findall(r"<!-- cluster -->\n```bash\n(.*?)```\n<!-- /cluster -->", text, re.S)
    return block


def at_fewer_steps(block: str) -> str:
    for name, number in FEWER.items():
        block, found = re.subn(rf"(?<=[\s(]){re.escape(name)}=\d+", f"{name}={number}", block)
        assert found, f"the README's lines set {name} no more"
    return block


def test_lines_are_bash_and_numbered():
    subprocess.run(["bash", "-n"], input=lines(), text=True, check=True)
    numbers = re.findall(r"^# (\d)\. ", lines(), re.M)
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]


@pytest.mark.slurm
def test_lines_run_from_a_fresh_folder(tmp_path):
    """Whether one process or two, and whoever starts them: the same losses."""
    if shutil.which("slurmctld", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip("needs slurm-wlm and munge")
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs the extra `slurm`")
    (tmp_path / "slurm").symlink_to(ROOT / "slurm")
    command = tmp_path / ".venv" / "bin" / "vasa"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vasa.cli "$@"\n')
    command.chmod(0o755)
    python = str(Path(sys.executable).parent)
    log = tmp_path / "log.txt"
    script = f"set -euo pipefail\n{at_fewer_steps(lines())}"
    environment = {
        **os.environ,
        "PATH": f"{command.parent}:{python}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "ONE_HOST_ROOT": str(tmp_path / "host"),
        "ONE_HOST_PORT": str(26000 + os.getpid() % 1000),
        "OMP_NUM_THREADS": "1",
    }
    try:
        with open(log, "w") as file:
            done = subprocess.run(
                ["bash", "-x", "-c", script], cwd=tmp_path, env=environment, stdout=file,
                stderr=subprocess.STDOUT, timeout=PATIENCE_S,
            )  # fmt: skip
    finally:
        subprocess.run([str(ROOT / "slurm/one_host.sh"), "down"], env=environment, check=False)
    assert done.returncode == 0, log.read_text()[-4000:]
    first = tmp_path / "runs" / "first"
    expected = losses(first / "one")
    assert len(expected) == FEWER["max_steps"]
    for name in ("two", "torchrun", "slurm"):
        assert losses(first / name) == pytest.approx(expected, rel=1e-3), name
    members = sorted(path.parent.name for path in first.glob("sweep/*/done.json"))
    assert members == [f"lr0.00{lr}-seed{seed}" for lr in (1, 2) for seed in (0, 1)]
    assert "lr" in (first / "sweep.md").read_text() and (first / "sweep.html").is_file()


def losses(run: Path) -> list[float]:
    texts = (run / "metrics.jsonl").read_text().splitlines()
    return [json.loads(text)["train/loss"] for text in texts]
