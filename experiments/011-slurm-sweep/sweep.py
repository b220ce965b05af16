"""The sweep under SLURM and the same members without it.

usage: python experiments/011-slurm-sweep/sweep.py RUN

RUN holds motion/ and stage1/ (run.sh makes them), SLURM_CONF names a cluster that nothing else
uses. Writes RUN/record.json.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROWS = ("reference", "no_audio", "no_velocity")
SEEDS = (0, 1)
KILLED, WATCHED = 3, 4  # places in the array of jobs
MAX_STEPS = 300
STRIKE_AT = 40  # steps a member has taken by then
URGENT = ("sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=sleep 5")
"""A job of a higher priority that wants the whole node."""
PATIENCE_S = 900


def command(run: Path, root: Path) -> list[str]:
    """`vasa train` of all members, one after another; with SLURM's launcher also side by side."""
    experiments = ",".join(f"ablation/stage2_{row}" for row in ROWS)
    return [
        *("vasa", "train", "-m", f"experiment={experiments}", f"seed={','.join(map(str, SEEDS))}"),
        *(f"data.root={run / 'motion'}", f"module.stage1={run / 'stage1'}"),
        f"run_dir={root}/${{name}}-seed${{seed}}",
        *("logger=none", "log_every=1", "sample_every=0", "checkpoint_every_s=1"),
        *("trainer.precision=32-true", "trainer.num_threads=1", f"max_steps={MAX_STEPS}"),
        *("module.validate_every=100", "data.batch_size=8", "data.min_frames=10"),
        "hydra.sweep.dir=" + str(run / "hydra" / root.name),
    ]


def members(root: Path) -> list[Path]:
    """Run folders in the order of the array of jobs."""
    return [root / f"ablation/{row}-seed{seed}" for row in ROWS for seed in SEEDS]


def steps_of(member: Path) -> int:
    metrics = member / "metrics.jsonl"
    return len(metrics.read_text().splitlines()) if metrics.is_file() else 0


def starts_of(member: Path) -> int:
    """Processes that have trained it."""
    return len(json.loads((member / "env.json").read_text())["starts"])


def weights_of(root: Path) -> list[str | None]:
    """SHA-256 of each member's exported weights; None of one that is not complete."""
    files = [member / "model" / "model.safetensors" for member in members(root)]
    return [
        hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None for path in files
    ]


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(
                f"expected {what} within {PATIENCE_S} s; see squeue and the jobs' logs"
            )
        time.sleep(0.2)


def restarts() -> list[int]:
    """How often each member of the newest array was sent back into the queue."""
    listed = subprocess.run(
        ["scontrol", "--oneliner", "show", "job"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    rows = [dict(re.findall(r"(\w+)=(\S+)", line)) for line in listed]
    rows = [row for row in rows if "ArrayJobId" in row]
    newest = max(int(row["ArrayJobId"]) for row in rows)
    found = {
        int(row["ArrayTaskId"]): int(row["Restarts"])
        for row in rows
        if int(row["ArrayJobId"]) == newest
    }
    return [found[place] for place in sorted(found)]


def kill_task(place: int) -> None:
    """SIGKILL to the training of a job, as the out-of-memory killer sends it."""
    told = f"SLURM_ARRAY_TASK_ID={place}".encode()
    for folder in Path("/proc").iterdir():
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            words = (folder / "cmdline").read_bytes()
        except OSError:  # no process, or none of ours
            continue
        if told in environment and words.startswith(sys.executable.encode()):
            os.kill(int(folder.name), signal.SIGKILL)


def sweep(run: Path, log: Path, *, strike: bool) -> dict[str, Any]:
    """The sweep once; how it ended, and how many members were complete then."""
    begin = time.monotonic()
    words = [*command(run, run / "swept"), "hydra/launcher=slurm"]
    words += ["hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=2"]
    swept = members(run / "swept")
    with open(log, "w") as file:
        started = subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT)
        if strike:
            for place in (KILLED, WATCHED):
                wait_until(
                    lambda place=place: (
                        steps_of(swept[place]) >= STRIKE_AT or started.poll() is not None
                    ),
                    "training",
                )
                if steps_of(swept[place]) < STRIKE_AT:
                    sys.exit(f"the sweep ended before member {place} trained; see {log}")
                if place == KILLED:
                    kill_task(place)
                else:
                    subprocess.run(URGENT, check=True)
        code = started.wait()
    # The command ends with the first failure; the other jobs go on.
    wait_until(lambda: not _under_way(), "an end of all jobs")
    return {
        "exit_code": code,
        "seconds": time.monotonic() - begin,
        "said": [line for line in log.read_text().splitlines() if line.startswith("vasa: ")],
        "restarts": restarts(),
        "done": sum(weights is not None for weights in weights_of(run / "swept")),
        "starts": [starts_of(member) for member in swept],
        "steps": [steps_of(member) for member in swept],
    }


def _under_way() -> bool:
    listed = subprocess.run(
        ["squeue", "--noheader"], check=True, capture_output=True, text=True
    ).stdout
    return bool(listed.strip())


def main(run: Path) -> None:
    subprocess.run(command(run, run / "alone"), check=True)
    for old in ("swept", "hydra/swept"):
        shutil.rmtree(run / old, ignore_errors=True)
    rounds = [sweep(run, run / f"sweep_{number}.log", strike=number == 1) for number in (1, 2)]
    if not rounds[0]["restarts"][WATCHED]:
        sys.exit(f"member {WATCHED} kept its node beside an urgent job; see {run}/sweep_1.log")
    record = {
        "members": [str(path.relative_to(run / "swept")) for path in members(run / "swept")],
        "killed": KILLED,
        "preempted": [place for place, number in enumerate(rounds[0]["restarts"]) if number],
        "rounds": rounds,
        "swept": weights_of(run / "swept"),
        "alone": weights_of(run / "alone"),
    }
    (run / "record.json").write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
