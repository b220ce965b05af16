"""The way to wandb: another process, which may hang, die or wait for a network by itself.

Importing wandb, starting its service and waiting for a server takes seconds to minutes, and its
calls block when the service does. So training writes lines to a pipe that never blocks it, and
`vasa.training.wandb_feed` reads them. That process outlives a killed run by what it takes to finish
its files: they hold all that the run has logged.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from vasa.training.exhibits import Histogram
from vasa.training.logging import report
from vasa.training.mirrors import Artifact
from vasa.training.run_folder import write_atomically
from vasa.training.wandb_feed import HAS_SAID_SO

HELD_BYTES = 32_000_000
"""Lines kept for a service that does not take them, at most."""
PATIENCE_S = 20.0
"""Seconds that the end of a run waits for wandb, at most."""


def modes() -> list[str]:
    """Online only with a key; then offline if that fails. Never a question to the terminal."""
    chosen = os.environ.get("WANDB_MODE")
    if chosen == "disabled":
        return []
    if chosen == "offline" or not os.environ.get("WANDB_API_KEY"):
        return ["offline"]
    return ["online", "offline"]


class WandbMirror:
    """A wandb run whose id lives in the run folder, so that a continued run is one run.

    Args:
        modes: online, offline: the first that works; none for no wandb.
        project: wandb's project.
        folder: run folder.
        config: resolved configuration.

    Raises:
        OSError: there is no room for the id's file, or for another process.
    """

    def __init__(
        self, *, modes: list[str], project: str, folder: Path, config: dict[str, Any]
    ) -> None:
        self._folder = folder
        self._held = bytearray()
        self._feed: subprocess.Popen[bytes] | None = None
        if not modes:
            return
        id_file = folder / "wandb_id.txt"
        if not id_file.is_file():
            write_atomically(id_file, uuid.uuid4().hex[:12])
        self._feed = subprocess.Popen(
            [sys.executable, "-m", "vasa.training.wandb_feed"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            start_new_session=True,  # what kills the run's group leaves its files to be finished
        )
        assert self._feed.stdin is not None
        os.set_blocking(self._feed.stdin.fileno(), False)
        self._send(
            modes=modes,
            folder=str(folder.absolute()),
            project=project,
            id=id_file.read_text().strip(),
            config=config,
        )

    def begin(self, record: Path, *, step: int) -> None:
        """Files of a continued run begin with what the record holds; a server has it."""
        self._send(record=str(record.absolute()), step=step)

    def metrics(self, values: dict[str, float], *, step: int) -> None:
        """Values of a step."""
        self._send(metrics=values, step=step)

    def picture(self, name: str, path: Path, *, step: int) -> None:
        """A sample picture."""
        self._send(name=name, picture=str(path.absolute()), step=step)

    def histogram(self, name: str, histogram: Histogram, *, step: int) -> None:
        """Values of a code."""
        counted = {"counts": histogram.counts, "edges": histogram.edges}
        self._send(name=name, histogram=counted, step=step)

    def clip(self, name: str, path: Path, *, step: int) -> None:
        """A sample clip."""
        self._send(name=name, clip=str(path.absolute()), step=step)

    def artifact(self, artifact: Artifact, *, step: int) -> None:
        """Files that stay where they are."""
        self._send(
            artifact=artifact.kind,
            paths=[str(path.absolute()) for path in artifact.paths],
            metadata={**artifact.metadata, "step": step},
            step=step,
        )

    def close(self) -> None:
        """Have the run finished, as far as it can be in a while."""
        if self._feed is None or self._feed.stdin is None:
            return
        until = time.monotonic() + PATIENCE_S
        self._send(end=True)  # loader workers may still hold a copy of the pipe
        while self._held and self._feed is not None and time.monotonic() < until:
            select.select([], [self._feed.stdin], [], 0.2)
            self._push()
        if self._feed is None or self._feed.stdin is None:
            return
        self._feed.stdin.close()
        try:
            code = self._feed.wait(timeout=max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._feed.kill()
            self._feed.wait()
            self._say(f"did not finish within {PATIENCE_S:.0f} s and was left")
        else:
            if code not in (0, HAS_SAID_SO):
                self._say(f"ended with code {code}")
        self._feed = None

    def _send(self, **line: Any) -> None:
        if self._feed is None:
            return
        self._held += json.dumps(line).encode() + b"\n"
        self._push()

    def _push(self) -> None:
        """As much as the pipe takes now."""
        assert self._feed is not None and self._feed.stdin is not None
        try:
            while self._held:
                del self._held[: os.write(self._feed.stdin.fileno(), self._held[:65536])]
        except BlockingIOError:
            if len(self._held) > HELD_BYTES:
                self._feed.kill()
                self._leave("takes nothing any more")
        except OSError:
            self._leave("died")

    def _leave(self, what: str) -> None:
        assert self._feed is not None and self._feed.stdin is not None
        self._feed.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self._feed.wait(timeout=5) == HAS_SAID_SO:
                what = ""
        if what:
            self._say(what)
        self._feed = None
        self._held.clear()

    def _say(self, what: str) -> None:
        report(
            f"wandb {what}; training goes on, metrics.jsonl has everything and "
            f"`wandb sync` of the newest run in {self._folder / 'wandb'} shows what was taken"
        )
