"""The job file of an encoding by many tasks gives each its own share of one set."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORDS = ("data=a set", "stage1=run", "output=motion")


@pytest.fixture
def run(tmp_path):
    """The file under a stand-in for srun, which prints what it is given, a word a line."""
    step = tmp_path / "srun"
    step.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    step.chmod(0o755)

    def run(*words, **variables):
        return subprocess.run(
            ["bash", "slurm/encode_array.sbatch", *words],
            cwd=ROOT,
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **variables},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


@pytest.mark.parametrize("first", [0, 3])
def test_tasks_are_partitions(run, first):
    shares = []
    for task in range(first, first + 4):
        done = run(
            *WORDS,
            SLURM_JOB_ID="7",
            SLURM_ARRAY_TASK_COUNT="4",
            SLURM_ARRAY_TASK_MIN=str(first),
            SLURM_ARRAY_TASK_ID=str(task),
        )
        assert done.returncode == 0, done.stderr
        said = done.stdout.splitlines()
        words = said[said.index("encode") + 1 :]
        assert words[:4] == [*WORDS, "partition.count=4"]
        shares += words[4:]
    assert shares == [f"partition.index={index}" for index in range(4)]


def test_what_is_no_array_is_refused(run):
    for words, variables in ((WORDS, {}), ((), {"SLURM_ARRAY_TASK_COUNT": "2"})):
        done = run(*words, **variables)
        assert done.returncode == 2 and "usage: sbatch --array" in done.stderr
