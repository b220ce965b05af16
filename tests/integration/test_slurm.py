"""Under a SLURM cluster on this machine: tasks that train together, a job that leaves its node."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from processes import TWO, stage2
from safetensors.torch import load_file
from small_faces import write_small_faces
from small_motion import write_small_motion

from vasa.cli.paths import conf_dir
from vasa.data.shards import read_index
from vasa.models.checkpoint import save_model
from vasa.training.config import build

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


@dataclass(frozen=True, kw_only=True)
class Models:
    """Untrained ones, for what is done with them and not what comes out."""

    stage1: Path
    expert: Path


def untrained(folder: Path) -> Models:
    """Run folders of a stage 1 and a face expert with random weights."""
    found = {}
    with initialize_config_dir(version_base="1.3", config_dir=conf_dir()):
        for name, experiment in (("stage1", "stage1/tiny"), ("expert", "expert/metric")):
            model = compose("train", [f"experiment={experiment}"]).module.model
            values = OmegaConf.to_container(model, resolve=True)
            save_model(build(model), values, folder / name / "model")
            found[name] = folder / name
    return Models(**found)


@pytest.mark.slurm
def test_lines_of_a_list_are_evaluated_each_in_its_folder(cluster, tmp_path):
    data = write_small_faces(tmp_path / "faces", num_frames=10)
    models = untrained(tmp_path)
    shared = f"data={data} stage1={models.stage1} evaluation.protocols=[self_reenactment]"
    listed = tmp_path / "list"
    lines = [f"{shared} seed={seed} output={tmp_path}/{seed}/results.jsonl" for seed in (0, 1)]
    listed.write_text("\n".join([*lines, f"{shared} output={tmp_path}/folder"]) + "\n")
    words = ["--array=1-3", "--cpus-per-task=1", "--mem=2G", "slurm/evaluate_array.sbatch"]
    words += [str(listed), f"expert={models.expert}", "evaluation.split=val"]
    words += ["evaluation.num_clips=2", "evaluation.num_resamples=20"]
    job = cluster.ask("sbatch", "--parsable", *words)
    for place, expected in ((1, "COMPLETED"), (2, "COMPLETED"), (3, "FAILED")):
        wait_until_over(cluster, f"{job}_{place}")
        told = cluster.output(f"{job}_{place}")
        assert cluster.state(f"{job}_{place}") == expected, told
    assert "expected output=DIR/NAME.jsonl" in told
    for seed in (0, 1):
        rows = (tmp_path / str(seed) / "results.jsonl").read_text().splitlines()
        assert {json.loads(row)["seed"] for row in rows} == {seed}
        assert (tmp_path / str(seed) / "eval" / "done.json").is_file()


@pytest.mark.slurm
def test_array_prepares_a_set_and_a_task_warned_of_its_time_goes_back_alone(
    cluster, real_data_dir, weights_dir, tmp_path
):
    """The last task of an array has the number of the whole: it must not take the others along."""
    for speaker in ("ar00", "ar01"):
        clip = sorted((real_data_dir / "lrw_ar" / speaker).glob("*.mp4"))[0]
        (tmp_path / "raw" / speaker).mkdir(parents=True)
        shutil.copy(clip, tmp_path / "raw" / speaker)
    environment = {**cluster.environment, "VASA_WEIGHTS": str(weights_dir)}
    here = replace(cluster, environment=environment)
    options = ["--parsable", "--cpus-per-task=1", "--mem=4G"]
    command = ["slurm/prep_array.sbatch", f"input={tmp_path / 'raw'}", f"output={tmp_path / 'set'}"]
    command += ["size=64", "split.val=0", "split.test=0"]
    job = here.ask("sbatch", *options, "--array=0-1", *command)
    wait_until(lambda: here.state(f"{job}_1") == "RUNNING", lambda: here.output(f"{job}_1"))
    here.ask("scancel", "--batch", "--signal=USR1", f"{job}_1")
    for place in (0, 1):
        wait_until_over(here, f"{job}_{place}")
        assert here.state(f"{job}_{place}") == "COMPLETED", here.output(f"{job}_{place}")
    assert f"job {job}_1: back into the queue" in here.output(f"{job}_1")
    assert "back into the queue" not in here.output(f"{job}_0")
    last = here.ask("sbatch", *options, "--array=0", *command)
    wait_until_over(here, f"{last}_0")
    assert here.state(f"{last}_0") == "COMPLETED", here.output(f"{last}_0")
    assert len(read_index(tmp_path / "set")) == 2


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
