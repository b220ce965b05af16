"""Commands that are killed on purpose: known by a mark, struck at a random moment of a stage."""

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.001
OUTLIVES_S = 120.0
"""Seconds that a run's other processes may live on: wandb's still writes its files."""
MARK = "VASA_KILLS_MARK"
"""Environment variable by which a run's processes are known."""


HasBegun = Callable[[Path, float], bool]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of a run: whether it has begun in an output, given when the run did, and the longest
    wait in it.
    """

    name: str
    has_begun: HasBegun
    longest_s: float


@dataclass(frozen=True, kw_only=True)
class Strike:
    """One run that was killed, or ended before it was.

    Attributes:
        after_s: from its start to the kill.
        signal: that it was sent.
        exit_code: minus the signal where that ended it; 128 + 15 where it saved itself.
        others_outlived_it_s: until none of its processes lived.
    """

    after_s: float
    signal: int
    exit_code: int
    others_outlived_it_s: float

    @property
    def is_killed(self) -> bool:
        """Whether the signal came before its end, and not an error."""
        return self.exit_code in (-self.signal, 128 + signal.SIGTERM)


def processes(mark: str) -> list[int]:
    """Processes that live and were started with `mark` in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        try:
            state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
            words = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # it ended meanwhile
            continue
        if state != "Z" and f"{MARK}={mark}".encode() in words:
            found.append(int(folder.name))
    return found


def wait_until_gone(mark: str, *, limit_s: float) -> float:
    """Seconds until none of a run's processes lives.

    Raises:
        TimeoutError: some do.
    """
    begin = time.monotonic()
    while alive := processes(mark):
        if time.monotonic() - begin > limit_s:
            raise TimeoutError(f"processes {alive} outlive their run by {limit_s} s")
        time.sleep(0.02)
    return time.monotonic() - begin


def start(words: list[str], *, mark: str, log: Path) -> subprocess.Popen[bytes]:
    """`vasa WORDS` in a process group of its own."""
    with open(log, "ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "vasa.cli", *words],
            env={**os.environ, "OMP_NUM_THREADS": "1", MARK: mark},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def finish(words: list[str], *, log: Path, mark: str = "") -> int:
    """Exit code of `vasa WORDS` left alone, once none of its processes lives."""
    mark = mark or uuid.uuid4().hex
    code = start(words, mark=mark, log=log).wait()
    wait_until_gone(mark, limit_s=OUTLIVES_S)
    return code


def strike(
    words: list[str],
    root: Path,
    stage: Stage,
    *,
    log: Path,
    whole_group: bool,
    rng: random.Random,
    number: int = signal.SIGKILL,
    mark: str = "",
) -> Strike:
    """Start `vasa WORDS`, wait for a stage of its output `root` and a while in it, kill it.

    Args:
        words: the command.
        root: its output.
        stage: to wait for.
        log: for what it prints.
        whole_group: kill all of its processes; the command alone otherwise.
        rng: chooses the while.
        number: the signal.
        mark: of its processes; a new one if none is given.
    """
    mark = mark or uuid.uuid4().hex
    since, begin = time.time(), time.monotonic()
    run = start(words, mark=mark, log=log)
    while run.poll() is None and not stage.has_begun(root, since):
        time.sleep(POLL_S)
    until = time.monotonic() + rng.uniform(0, stage.longest_s)
    while run.poll() is None and time.monotonic() < until:
        time.sleep(POLL_S)
    seconds = time.monotonic() - begin
    if run.poll() is None:
        (os.killpg if whole_group else os.kill)(run.pid, number)
    run.wait()
    return Strike(
        after_s=round(seconds, 3),
        signal=int(number),
        exit_code=run.returncode,
        others_outlived_it_s=round(wait_until_gone(mark, limit_s=OUTLIVES_S), 2),
    )


def is_newer(path: Path, since: float) -> bool:
    """Whether a file was written after a time."""
    try:
        return path.stat().st_mtime > since
    except OSError:  # renamed meanwhile
        return False
