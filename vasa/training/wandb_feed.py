"""`python -m vasa.training.wandb_feed`: lines from a pipe into a wandb run, until the pipe ends.

Each line is a JSON object: first what the run is, then a record to begin with, values of a step or
pictures. The pipe's end is the end of the run too: a killed run is finished as well.
"""

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HAS_SAID_SO = 3
"""Exit code of a feed that has reported by itself why it ends."""
LOCK_S = 120.0
"""Seconds that it waits for the feed of a start before."""


def main() -> int:
    """Feed wandb; what goes wrong is one line."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)  # the pipe's end is what ends it
    lines = _lines()
    try:
        _feed(next(lines), lines)
    except Exception as error:
        _say(f"wandb stopped ({type(error).__name__}: {error}); training goes on")
        sys.stderr.flush()
        os._exit(HAS_SAID_SO)  # wandb's own end would wait for what has just failed
    return 0


def _feed(first: dict[str, Any], lines: Iterator[dict[str, Any]]) -> None:
    run, mode = _start(**first)
    import wandb

    for line in lines:
        if "end" in line:
            break
        if "record" in line:
            before = _recorded(Path(line["record"]), line["step"]) if mode == "offline" else ()
            for values in before:
                step = values.pop("step")
                run.log(values, step=step)
        elif "metrics" in line:
            run.log(line["metrics"], step=line["step"])
        else:
            image = wandb.Image(line["picture"])
            run.log({f"samples/{line['name']}": image}, step=line["step"])
    run.finish()


def _start(
    *, modes: list[str], folder: str, project: str, id: str, config: dict[str, Any]
) -> tuple[Any, str]:
    """A run in the first mode that works, once the feed of a killed start has ended."""
    import wandb

    _wait_for_others(Path(folder) / "wandb_id.txt")
    for mode in modes:
        try:
            run = wandb.init(
                mode=mode,  # type: ignore[arg-type]
                project=project,
                id=id,
                name=f"{config['stage']}/{config['name']}",
                group=config["stage"],
                dir=folder,
                config=config,
                resume="allow" if mode == "online" else None,
                settings=wandb.Settings(silent=True, console="off", init_timeout=30),
            )
            return run, mode
        except Exception as error:  # no key, no network, no disk
            if mode == modes[-1]:
                raise
            _say(f"wandb {mode} did not start ({type(error).__name__}: {error}); offline then")
            wandb.teardown()  # its service still holds the run's id
    raise AssertionError("there is a mode")


def _wait_for_others(path: Path) -> None:
    """Be the only feed of a run: wandb names its folders by id and second.

    The lock ends with this process, which must not give it to wandb's service.
    """
    with contextlib.suppress(OSError):  # no locks here, or nothing to lock
        lock = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC)
        for number in range(int(LOCK_S)):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(1)
            if number == 0:
                _say("wandb still finishes the files of the start before; training goes on")


def _recorded(path: Path, step: int) -> Iterator[dict[str, Any]]:
    """Lines from before a kill: wandb writes late what it is given, and a file begins anew."""
    for text in path.read_text().splitlines() if path.is_file() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if line["step"] <= step:
            line.pop("time_s", None)
            yield line


def _lines() -> Iterator[dict[str, Any]]:
    for text in sys.stdin:
        if text.endswith("\n"):  # not what a kill cut off
            yield json.loads(text)


def _say(text: str) -> None:
    print(f"vasa: {' '.join(text.split())}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
