"""A command's memory and open files, read from /proc while it trains."""

import json
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from killing import processes, start

EVERY = 5
"""Steps between looks."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What /proc said after a step.

    Attributes:
        step: that the record had reached.
        time_s: since the start of the command.
        main_mb: resident memory of the command.
        main_own_mb: what of it is no file's, pages that it shares with workers in parts: other
            programs that read the same libraries do not show.
        workers_mb: the same of all its loader workers together.
        files: open files of the command.
        worker_files: of its workers together.
        num_workers: of them.
    """

    step: int
    time_s: float
    main_mb: float
    main_own_mb: float
    workers_mb: float
    files: int
    worker_files: int
    num_workers: int


def memory_mb(pid: int) -> tuple[float, float]:
    """Resident memory of a process, and its share of what is no file's, MB."""
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        words = line.split()
        if words[0] in ("Rss:", "Pss_Anon:", "Pss_Shmem:"):
            found[words[0]] = int(words[1]) / 1024
    return found["Rss:"], found["Pss_Anon:"] + found["Pss_Shmem:"]


def look(pid: int, mark: str, *, step: int, began: float) -> Look:
    """Now."""
    workers = [other for other in processes(mark) if other != pid]
    rss, pss = memory_mb(pid)
    return Look(
        step=step,
        time_s=time.monotonic() - began,
        main_mb=rss,
        main_own_mb=pss,
        workers_mb=sum(memory_mb(worker)[1] for worker in workers),
        files=len(os.listdir(f"/proc/{pid}/fd")),
        worker_files=sum(len(os.listdir(f"/proc/{worker}/fd")) for worker in workers),
        num_workers=len(workers),
    )


def watch(words: list[str], root: Path, *, log: Path) -> tuple[list[Look], float]:
    """Looks while a command trains into `root`, and seconds to its first line."""
    mark = f"soak:{root.resolve()}"
    shutil.rmtree(root, ignore_errors=True)
    looks: list[Look] = []
    first_s, wanted = 0.0, EVERY
    began = time.monotonic()
    run = start(words, mark=mark, log=log)
    while run.poll() is None:
        time.sleep(0.05)
        step = _step_of(root)
        if step and not first_s:
            first_s = time.monotonic() - began
        if step < wanted:
            continue
        try:
            looks.append(look(run.pid, mark, step=step, began=began))
        except (OSError, KeyError):  # it, or a worker, ended meanwhile
            continue
        wanted = step - step % EVERY + EVERY
    if run.returncode:
        sys.exit(f"{root} ended with code {run.returncode}, see {log}")
    return looks, first_s


def _step_of(root: Path) -> int:
    try:
        with (root / "metrics.jsonl").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            lines = file.read().split(b"\n")
        return int(json.loads(lines[-2])["step"]) if len(lines) > 1 else 0
    except (OSError, ValueError):
        return 0
