"""`python -m vasa.training.wandb_feed`: lines from a pipe into a wandb run, until the pipe ends.

Each line is a JSON object: first what the run is, then a record to begin with, values of a step, or
pictures, clips, histograms and files. The pipe's end is the end of the run too: a killed run is
finished as well.
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
    shown = Shown(run)
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
            shown.show(line)
    run.finish()


class Shown:
    """Pictures, clips, histograms and files of a run; one that cannot be shown is left out.

    It may have been removed before wandb came to it; the values go on. Said once.

    Args:
        run: wandb's.
    """

    def __init__(self, run: Any) -> None:
        self.run = run
        self.num_failed = 0

    def show(self, line: dict[str, Any]) -> None:
        """What a line of the pipe asks for."""
        try:
            if "artifact" in line:
                self._log_artifact(line)
            else:
                self.run.log(self._made(line), step=line["step"])
        except (OSError, ValueError, RuntimeError) as error:
            self.num_failed += 1
            if self.num_failed == 1:
                what = line.get("name", line.get("artifact"))
                text = f"{what} of step {line['step']} ({type(error).__name__}: {error})"
                _say(f"wandb leaves out {text}; the rest is shown, training goes on")

    def _made(self, line: dict[str, Any]) -> dict[str, Any]:
        import wandb

        name = line["name"]
        if "picture" in line:
            _check_there(line["picture"])
            return {f"samples/{name}": wandb.Image(line["picture"])}
        if "clip" in line:
            _check_there(line["clip"])
            return {f"clips/{name}": wandb.Video(line["clip"], format="mp4")}
        counted = line["histogram"]
        histogram = wandb.Histogram(np_histogram=(counted["counts"], counted["edges"]))
        return {f"latents/{name}": histogram}

    def _log_artifact(self, line: dict[str, Any]) -> None:
        """By reference: what a run leaves is large, and lies where the run does."""
        import wandb

        kind = line["artifact"]
        artifact = wandb.Artifact(f"{kind}-{self.run.id}", type=kind, metadata=line["metadata"])
        for path in map(Path, line["paths"]):
            _check_there(path)
            if kind == "code":
                artifact.add_file(str(path))
            else:
                artifact.add_reference(path.as_uri(), name=path.name, checksum=False)
        self.run.log_artifact(artifact)


def _check_there(path: str | Path) -> None:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} is not there any more")


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
