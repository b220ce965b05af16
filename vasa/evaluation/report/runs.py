"""Run folders as a report reads them: what was run, how it went, what it drew."""

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vasa.types import InputError

NOT_CURVES = {"step", "time_s"}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A picture or clip that a run made while it trained.

    Attributes:
        path: of the file.
        step: that it was drawn at; None where its name says none.
    """

    path: Path
    step: int | None


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run folder.

    Attributes:
        path: of the folder.
        config: the resolved configuration.
        environment: env.json.
        done: done.json; empty while the run is not complete.
        curves: logged name -> (steps, values).
        samples: name -> the last sample picture or clip of that name.
        histograms: name of a code -> (step, {counts, edges, ...}), in the order of steps.
    """

    path: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    done: dict[str, Any]
    curves: dict[str, tuple[list[float], list[float]]]
    samples: dict[str, Sample]
    histograms: dict[str, list[tuple[int, dict[str, Any]]]]
    steps: int
    seconds: float

    @property
    def name(self) -> str:
        """`stage/name`."""
        return f"{self.config.get('stage', '?')}/{self.config.get('name', self.path.name)}"

    @property
    def command(self) -> str:
        """The command line as it was given."""
        words = self.environment.get("command") or ["vasa", "train"]
        return words if isinstance(words, str) else " ".join(words)

    @property
    def commit(self) -> str:
        """The commit, with a mark where the tree had changes."""
        commit = str(self.environment.get("commit") or "unknown")[:12]
        return commit + ("+changes" if self.environment.get("is_dirty") else "")

    @property
    def machine(self) -> str:
        """Processor, number of CPUs and device."""
        environment = self.environment
        parts = (
            environment.get("processor"),
            f"{environment['cpu_count']} CPUs" if "cpu_count" in environment else None,
            environment.get("device"),
        )
        return ", ".join(str(part) for part in parts if part)


def read_run(path: Path) -> RunRecord:
    """Reads a run folder.

    Raises:
        InputError: it is none.
    """
    if not (path / "config.yaml").is_file():
        raise InputError(f"expected a run folder with config.yaml at {path}, found none")
    lines = _metrics(path / "metrics.jsonl")
    curves: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for line in lines:
        for name, value in line.items():
            if name not in NOT_CURVES and isinstance(value, int | float):
                curves[name][0].append(line["step"])
                curves[name][1].append(value)
    done = _json(path / "done.json")
    last = lines[-1] if lines else {}
    return RunRecord(
        path=path,
        config=yaml.safe_load((path / "config.yaml").read_text()) or {},
        environment=_json(path / "env.json"),
        done=done,
        curves=dict(curves),
        samples=_last_samples(path / "samples"),
        histograms=_histograms(path / "samples"),
        steps=int(done.get("step", last.get("step", 0))),
        seconds=float(done.get("time_s", last.get("time_s", 0.0))),
    )


def _metrics(path: Path) -> list[dict[str, Any]]:
    """The record's lines; the last may be cut short by a kill."""
    lines = []
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            values = json.loads(line)
        except json.JSONDecodeError:
            continue
        if "step" in values:
            lines.append(values)
    return lines


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.is_file() else {}


def _last_samples(folder: Path) -> dict[str, Sample]:
    """What has the highest step of each name in `<name>_<step>.png` and `.mp4`."""
    found: dict[str, Sample] = {}
    for path in sorted([*folder.glob("*.png"), *folder.glob("*.mp4")]):
        match = re.fullmatch(r"(.+)_(\d+)", path.stem)
        if match is None:
            found[path.stem] = Sample(path=path, step=None)
        else:
            found[match.group(1)] = Sample(path=path, step=int(match.group(2)))
    return found


def _histograms(folder: Path) -> dict[str, list[tuple[int, dict[str, Any]]]]:
    """Counted codes of every step; a file that a kill cut short is none."""
    found: dict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    for path in sorted(folder.glob("histograms_*.json")):
        try:
            counted = json.loads(path.read_text())
            for name, histogram in counted.items():
                found[name].append((int(path.stem.split("_")[-1]), histogram))
        except (ValueError, AttributeError):
            continue
    return dict(found)
