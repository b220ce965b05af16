"""metrics.jsonl is the record; wandb and TensorBoard mirror it. None of it may end a training."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from vasa.types import InputError


class Mirror(Protocol):
    """Somewhere else that shows what the record holds."""

    def begin(self, record: Path, *, step: int) -> None:
        """The run begins, or continues after a step; the record holds what was before."""
        ...

    def metrics(self, values: dict[str, float], *, step: int) -> None:
        """Values of a step."""
        ...

    def picture(self, name: str, path: Path, *, step: int) -> None:
        """A picture that was written."""
        ...

    def close(self) -> None:
        """Flush."""
        ...


class MetricsRecord:
    """Lines of metrics.jsonl, one JSON object each, without a gap and none twice.

    What cannot be written (a full disk) is kept, said once, and tried again with the next line.

    Args:
        path: the file; lines of steps after `step` (from before a kill) are dropped.
        step: batches that the run continues from.
        unwritten: lines that were still to be written at that step.

    Attributes:
        time_s: training time at the last line.
        unwritten: lines not in the file; a checkpoint keeps them.
    """

    def __init__(self, *, path: Path, step: int, unwritten: Iterable[dict[str, Any]] = ()) -> None:
        self.path = path
        kept, self._end = _lines_until(path, step)
        written = int(kept[-1]["step"]) if kept else 0
        self.unwritten = [line for line in unwritten if line["step"] > written]
        last = (*kept, *self.unwritten)[-1:]
        self.time_s = float(last[0]["time_s"]) if last else 0.0
        self._has_failed = False
        self._flush()

    @staticmethod
    def read(path: Path) -> list[dict[str, Any]]:
        """Whole lines of a record; what was cut off by a kill, or damaged, is left out."""
        return _lines_until(path, None)[0]

    def write(self, values: dict[str, float], *, step: int, time_s: float) -> None:
        """One line."""
        self.unwritten.append({"step": step, "time_s": round(time_s, 3), **values})
        self._flush()

    def sync(self) -> None:
        """What is written is on the disk, should the power go."""
        with contextlib.suppress(OSError):
            file = os.open(self.path, os.O_WRONLY)
            try:
                os.fsync(file)
            finally:
                os.close(file)

    def _flush(self) -> None:
        text = "".join(json.dumps(line) + "\n" for line in self.unwritten).encode()
        try:
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o666)
            try:
                self._end = min(self._end, os.fstat(file).st_size)
                os.ftruncate(file, self._end)  # half a line of a try that failed goes
                done = 0
                while done < len(text):
                    done += os.pwrite(file, text[done:], self._end + done)
            finally:
                os.close(file)
        except OSError as error:
            if not self._has_failed:
                report(
                    f"{self.path} cannot be written ({error.strerror}); training goes on, its "
                    "lines are kept, in checkpoints too, and tried again"
                )
            self._has_failed = True
            return
        self._end += len(text)
        self.unwritten = []
        if self._has_failed:
            report(f"{self.path} is written again; no line is missing")
        self._has_failed = False


def _lines_until(path: Path, step: int | None) -> tuple[list[dict[str, Any]], int]:
    """Lines up to a step (None: all) and where in the file they end, in bytes."""
    lines: list[dict[str, Any]] = []
    end = place = 0
    for text in path.read_bytes().splitlines(keepends=True) if path.is_file() else ():
        place += len(text)
        try:
            line = json.loads(text)
            is_later = step is not None and line["step"] > step
        except (ValueError, TypeError, KeyError):
            continue
        if is_later or not text.endswith(b"\n"):
            break
        lines.append(line)
        end = place
    return lines, end


class Mirrors:
    """Several mirrors; one that fails is reported once and left out from then on.

    Args:
        mirrors: name to mirror.
    """

    def __init__(self, mirrors: dict[str, Mirror]) -> None:
        self._mirrors = mirrors

    def begin(self, record: Path, *, step: int) -> None:
        """The run begins or continues, to all."""
        self._each(lambda mirror: mirror.begin(record, step=step))

    def metrics(self, values: dict[str, float], *, step: int) -> None:
        """Values of a step, to all."""
        self._each(lambda mirror: mirror.metrics(values, step=step))

    def picture(self, name: str, path: Path, *, step: int) -> None:
        """A written picture, to all."""
        self._each(lambda mirror: mirror.picture(name, path, step=step))

    def close(self) -> None:
        """Flush all."""
        self._each(lambda mirror: mirror.close())
        self._mirrors = {}

    def _each(self, call: Callable[[Mirror], None]) -> None:
        for name, mirror in list(self._mirrors.items()):
            try:
                call(mirror)
            except Exception as error:  # a mirror is somebody else's service: never the run's end
                report(f"{name} stopped ({type(error).__name__}: {error}); training goes on")
                del self._mirrors[name]


def open_mirrors(*, kind: str, project: str, folder: Path, config: dict[str, Any]) -> Mirrors:
    """The mirrors that `logger=` names.

    Args:
        kind: auto (wandb), wandb, tensorboard or none.
        project: wandb's project.
        folder: run folder; offline files are kept in it.
        config: resolved configuration, shown beside the curves.

    Raises:
        InputError: an unknown kind, or tensorboard without its package.
    """
    if kind == "none":
        return Mirrors({})
    if kind in ("auto", "wandb"):
        from vasa.training.wandb_mirror import WandbMirror, modes

        try:
            chosen = modes()
            mirror = WandbMirror(modes=chosen, project=project, folder=folder, config=config)
        except OSError as error:  # no room for a process or a file: the record does not need it
            report(f"wandb did not start ({error}); training goes on")
            return Mirrors({})
        return Mirrors({"wandb": mirror} if chosen else {})
    if kind == "tensorboard":
        return Mirrors({"tensorboard": TensorboardMirror(folder=folder)})
    raise InputError(f"expected logger= auto, none, wandb or tensorboard, got {kind!r}")


def report(text: str) -> None:
    """A line for the person who watches; where it cannot be written, nobody does."""
    with contextlib.suppress(OSError, ValueError):
        print(f"vasa: {' '.join(text.split())}", file=sys.stderr, flush=True)


class TensorboardMirror:
    """Event files in <run>/tensorboard.

    Args:
        folder: run folder.
    """

    def __init__(self, *, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise InputError(
                "logger=tensorboard needs the tensorboard package: pip install tensorboard"
            ) from error
        self._open = lambda step: SummaryWriter(str(folder / "tensorboard"), purge_step=step)

    def begin(self, record: Path, *, step: int) -> None:
        """A file of its own for each start; values after the step, from before a kill, go."""
        self._writer = self._open(step + 1 if step else None)

    def metrics(self, values: dict[str, float], *, step: int) -> None:
        """Values of a step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, name: str, path: Path, *, step: int) -> None:
        """A sample picture."""
        import numpy as np
        from PIL import Image

        pixels = np.asarray(Image.open(path).convert("RGB"))
        self._writer.add_image(f"samples/{name}", pixels, step, dataformats="HWC")

    def close(self) -> None:
        """Flush."""
        if hasattr(self, "_writer"):
            self._writer.close()
