"""metrics.jsonl is the record of a run; mirrors show it elsewhere (`vasa.training.mirrors`)."""

import contextlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any


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


def report(text: str) -> None:
    """A line for the person who watches; where it cannot be written, nobody does."""
    with contextlib.suppress(OSError, ValueError):
        print(f"vasa: {' '.join(text.split())}", file=sys.stderr, flush=True)
