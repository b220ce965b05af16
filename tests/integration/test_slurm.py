"""Under a SLURM cluster on this machine: tasks that train together, a job that leaves its node."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from processes import TWO, stage2
from safetensors.torch import load_file
from small_motion import write_small_motion

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "tests" / "unit" / "training"

PATIENCE_S = 240


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster that is up.

    Attributes:
        folder: where jobs are submitted: the job files, and `vasa` where they expect it.
        environment: of the processes that submit.
    """

    folder: Path
    environment: dict[str, str]

    def ask(self, *words: str) -> str:
        """What a command of SLURM prints."""
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def state(self, job: str) -> str:
        """As the queue calls it, such as RUNNING or COMPLETED."""
        return self.ask("squeue", "--noheader", "--states=all", "--job", job, "--format=%T")

    def output(self, job: str) -> str:
        """All that the job has printed."""
        return "".join(path.read_text() for path in self.folder.glob(f"slurm-*-{job}.out"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "slurm").symlink_to(ROOT / "slurm")
    command = folder / ".venv" / "bin" / "vasa"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vasa.cli "$@"\n')
    command.chmod(0o755)
    script = ROOT / "slurm" / "one_host.sh"
    environment = {
        **os.environ,
        "ONE_HOST_ROOT": str(folder / "host"),
        "ONE_HOST_PORT": str(20000 + os.getpid() % 3000 * 2),
        "PYTHONPATH": str(ROOT),
    }
    log = folder / "up.log"
    with open(log, "w") as file:
        begun = subprocess.run(
            ["bash", "-c", f'line="$({script} up 1)" && eval "$line" && env -0'],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            timeout=120,
        )
    if begun.returncode:
        said = log.read_text().strip().splitlines() or ["no word"]
        pytest.skip(f"no SLURM cluster on this machine: {said[-1]}")
    pairs = (word.split("=", 1) for word in begun.stdout.split("\0") if "=" in word)
    try:
        yield Cluster(folder=folder, environment=dict(pairs))
    finally:
        subprocess.run([str(script), "down"], env=environment, check=True, timeout=120)


def wait_until(is_so: Callable[[], bool], what: Callable[[], str]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end, what()
        time.sleep(0.2)


def wait_until_over(cluster: Cluster, job: str) -> None:
    under_way = ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING")
    wait_until(lambda: cluster.state(job) not in under_way, lambda: cluster.output(job))


def steps_of(run_dir: Path) -> int:
    metrics = run_dir / "metrics.jsonl"
    return len(metrics.read_text().splitlines()) if metrics.is_file() else 0


@dataclass(frozen=True, kw_only=True)
class Trainings:
    """Two jobs of two tasks, the same run: one left alone, one that was asked to leave its node."""

    whole: str
    whole_dir: Path
    moved: str
    moved_dir: Path


@pytest.fixture(scope="module")
def trainings(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Trainings:
    folder = tmp_path_factory.mktemp("trainings")
    motion = write_small_motion(tmp_path_factory.mktemp("motion"))

    def submit(run_dir: Path) -> str:
        words = ["--ntasks-per-node=2", "--cpus-per-task=1", "--mem=1G", "slurm/train.sbatch"]
        words += [*stage2(motion, run_dir), *TWO, "logger=none", "log_every=1", "max_steps=300"]
        return cluster.ask("sbatch", "--parsable", *words, "module.validate_every=100")

    done = Trainings(
        moved=submit(folder / "moved"),
        moved_dir=folder / "moved",
        whole=submit(folder / "whole"),
        whole_dir=folder / "whole",
    )
    wait_until(lambda: steps_of(done.moved_dir) >= 5, lambda: cluster.output(done.moved))
    cluster.ask("scancel", "--batch", "--signal=USR1", done.moved)
    for job in (done.whole, done.moved):
        wait_until_over(cluster, job)
    return done


@pytest.mark.slurm
def test_two_tasks_train_together(cluster, trainings):
    assert cluster.state(trainings.whole) == "COMPLETED", cluster.output(trainings.whole)
    environment = json.loads((trainings.whole_dir / "env.json").read_text())
    assert len(environment["starts"]) == 1
    assert steps_of(trainings.whole_dir) == 300


@pytest.mark.slurm
def test_job_that_left_its_node_ends_with_the_weights_of_one_that_did_not(cluster, trainings):
    output = cluster.output(trainings.moved)
    assert cluster.state(trainings.moved) == "COMPLETED", output
    assert "back into the queue" in output
    assert len(json.loads((trainings.moved_dir / "env.json").read_text())["starts"]) == 2
    expected, found = (
        load_file(folder / "model" / "model.safetensors")
        for folder in (trainings.whole_dir, trainings.moved_dir)
    )
    assert all(expected[name].equal(found[name]) for name in expected)
    assert steps_of(trainings.moved_dir) == 300


@pytest.mark.slurm
def test_cancelled_job_does_not_come_back(cluster):
    words = ["--mem=1G", "slurm/train.sbatch", "experiment=stage2/none"]
    job = cluster.ask("sbatch", "--parsable", *words)
    wait_until(lambda: cluster.state(job) == "RUNNING", lambda: cluster.output(job))
    cluster.ask("scancel", job)
    wait_until_over(cluster, job)
    assert cluster.state(job) == "CANCELLED"
    assert "back into the queue" not in cluster.output(job)


def test_warning_by_usr1_in_a_slurm_job_saves_and_ends_the_run(tmp_path):
    """Lightning would requeue the job itself and leave a checkpoint in the working folder."""
    run_dir = tmp_path / "run"
    task = {"NTASKS": "1", "PROCID": "0", "LOCALID": "0", "NODEID": "0", "JOB_NAME": "vasa"}
    environment = {**os.environ, **{f"SLURM_{key}": value for key, value in task.items()}}
    environment |= {"OMP_NUM_THREADS": "1", "TOY_KILL": "training", "PYTHONPATH": str(ROOT)}
    words = [f"run_dir={run_dir}", "module.kill_at=7", "module.kill_signal=10"]
    done = subprocess.run(
        [sys.executable, str(UNIT / "toy.py"), *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 128 + 15, done.stderr
    assert "stopped at step 8" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
