"""What run folders say of themselves, read without torch and without mending anything."""

import json
import math
import os
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

RUNNING_S = 600.0
"""A run without an end whose record is younger than this is taken to be running."""
ERROR = "error.json"
"""What ended a run, beside its other records; `vasa train` writes it."""
NONFINITE = "nonfinite.json"
"""What a run says that ended itself because its loss was no number."""
_CLOCK = frozenset(("step", "time_s"))
_MARKS = frozenset(("config.yaml", "metrics.jsonl", ERROR))


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A metric of a run: its last value and its best."""

    last: float
    best: float


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """One run folder.

    Attributes:
        path: of the folder, below the one that was looked in.
        config: dotted keys to leaves.
        state: done, failed (by an error), running (its record is young) or stopped.
        error: what it failed by, in a line; empty where nothing is known.
        steps: trained so far.
        max_steps: wanted; None where nobody says.
        time_s: training time; None where nothing was logged.
        starts: how often it was begun or continued.
        commit: 8 digits, `+` where there were changes; of each start with another one, with commas.
        data_hash: 8 digits of the data set's index, likewise.
        model_hash: 8 digits of the finished model's; empty before.
        metrics: of the names asked for.
        damaged: files that could not be read, and why.
    """

    path: str
    config: dict[str, Any]
    state: str
    error: str
    steps: int
    max_steps: int | None
    time_s: float | None
    starts: int
    commit: str
    data_hash: str
    model_hash: str
    metrics: dict[str, Measured]
    damaged: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Results:
    """Rows of the results.jsonl files that were met, by the models they measured.

    Attributes:
        rows: 8 digits of a model's hash to (metric, value) in the order they were written.
        damaged: lines that could not be read, by file.
    """

    rows: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)


def find_runs(root: Path) -> tuple[list[Path], list[Path]]:
    """Run folders below `root`, itself included, and results.jsonl files; in order of names."""
    runs: list[Path] = []
    results: list[Path] = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if "results.jsonl" in files:
            results.append(Path(folder) / "results.jsonl")
        if _MARKS & set(files):
            runs.append(Path(folder))
            folders.clear()  # checkpoints, pictures, wandb's files
    return runs, results


def read_results(paths: list[Path], *, names: list[str]) -> Results:
    """Measurements of these names."""
    found = Results()
    for path in paths:
        damaged = 0
        for row in json_lines(path, names):
            if row is None:
                damaged += 1
                continue
            value, models = row.get("value"), row.get("models")
            if row.get("metric") in names and is_number(value) and isinstance(models, dict):
                for digits in models.values():
                    found.rows.setdefault(str(digits), []).append((row["metric"], float(value)))
        if damaged:
            found.damaged[str(path)] = f"{damaged} lines are no JSON objects"
    return found


def read_run(
    path: Path, *, root: Path, is_higher: dict[str, bool] | None, results: Results
) -> RunSummary:
    """The records of one run; what is damaged is named and left out.

    Args:
        path: of the run folder.
        root: that the name is relative to.
        is_higher: metrics wanted, and whether more is better; None: all, and less is.
        results: measurements of models.
    """
    damaged: dict[str, str] = {}
    failure = _mapping(path / ERROR, damaged)
    planned = failure.get("config")
    planned = planned if isinstance(planned, dict) else {}
    config = flat(_mapping(path / "config.yaml", damaged) or planned)
    done = _mapping(path / "done.json", damaged)
    environment = _mapping(path / "env.json", damaged)
    steps, time_s, curves = _curves(path / "metrics.jsonl", damaged, names=is_higher)
    measured: dict[str, list[float]] = {}
    digits = str(done.get("model_hash") or "")[:8]
    for name, value in results.rows.get(digits, []):
        measured.setdefault(name, []).append(value)
    curves = measured | curves
    if not config and "config.yaml" not in damaged:
        damaged["config.yaml"] = "there is none"
    max_steps, starts = config.get("max_steps"), environment.get("starts")
    begun = [one for one in starts if isinstance(one, dict)] if isinstance(starts, list) else []
    state = _state(path)
    return RunSummary(
        path=str(path.relative_to(root)) if path != root else path.name,
        config=config,
        state=state,
        error=_error(path, failure, damaged) if state == "failed" else "",
        steps=int(done["step"]) if is_number(done.get("step")) else steps,
        max_steps=max_steps if isinstance(max_steps, int) else None,
        time_s=float(done["time_s"]) if is_number(done.get("time_s")) else time_s,
        commit=_each(_commit(one) for one in begun or [environment]),
        data_hash=_each(str(one.get("data_hash") or "")[:8] for one in begun or [environment]),
        starts=len(starts) if isinstance(starts, list) else 0,
        model_hash=digits,
        metrics={
            name: Measured(
                last=curve[-1], best=max(curve) if (is_higher or {}).get(name) else min(curve)
            )
            for name, curve in curves.items()
        },
        damaged=damaged,
    )


def _commit(start: dict[str, Any]) -> str:
    commit = start.get("commit")
    return f"{str(commit)[:8]}{'+' if start.get('is_dirty') else ''}" if commit else ""


def _each(values: Iterable[str]) -> str:
    """Different values in their order, without what is not known."""
    return ",".join(dict.fromkeys(value for value in values if value))


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted keys to leaves; lists are leaves."""
    if not isinstance(node, dict) or (prefix and not node):
        return {prefix: node}
    leaves: dict[str, Any] = {}
    for key, child in node.items():
        leaves |= flat(child, f"{prefix}.{key}" if prefix else str(key))
    return leaves


def _state(path: Path) -> str:
    if (path / "done.json").is_file():
        return "done"
    if _has_failed(path):
        return "failed"
    records = [path / name for name in ("metrics.jsonl", "env.json", "checkpoints/last.ckpt")]
    youngest = max((file.stat().st_mtime for file in records if file.is_file()), default=0.0)
    return "running" if time.time() - youngest < RUNNING_S else "stopped"


def _has_failed(path: Path) -> bool:
    """Whether an error or a loss that was none ended the last start; each writes env.json anew."""
    environment = path / "env.json"
    ends = [end for end in (path / ERROR, path / NONFINITE) if end.is_file()]
    if not ends or not environment.is_file():
        return bool(ends)
    return max(end.stat().st_mtime for end in ends) >= environment.stat().st_mtime


def _error(path: Path, failure: dict[str, Any], damaged: dict[str, str]) -> str:
    """What a failed run says of its end, in a line."""
    if text := " ".join(str(failure.get("error") or "").split()):
        return text
    step = _mapping(path / NONFINITE, damaged).get("step")
    return "" if step is None else f"a loss or gradient that is not finite at step {step}"


def _mapping(path: Path, damaged: dict[str, str]) -> dict[str, Any]:
    """A YAML or JSON file that holds a mapping; empty where there is none."""
    if not path.is_file():
        return {}
    try:
        text = path.read_text()
        # libyaml is 10 times as quick, and need not be there
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        content = json.loads(text) if path.suffix == ".json" else yaml.load(text, loader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        damaged[path.name] = " ".join(f"{type(error).__name__}: {error}".split())[:100]
        return {}
    if not isinstance(content, dict):
        damaged[path.name] = f"expected a mapping, got {type(content).__name__}"
        return {}
    return content


def _curves(
    path: Path, damaged: dict[str, str], *, names: Collection[str] | None
) -> tuple[int, float | None, dict[str, list[float]]]:
    """Last step, training time and the values of these names; a last line cut by a kill is none."""
    steps, time_s = 0, None
    curves: dict[str, list[float]] = {}
    num_damaged = 0
    for row in json_lines(path, None):
        if row is None or not is_number(row.get("step")):
            num_damaged += 1
            continue
        steps = max(steps, int(row["step"]))
        time_s = float(row["time_s"]) if is_number(row.get("time_s")) else time_s
        for name in [key for key in row if key not in _CLOCK] if names is None else names:
            if is_number(row.get(name)):
                curves.setdefault(name, []).append(float(row[name]))
    if num_damaged:
        damaged[path.name] = f"{num_damaged} lines are no records of a step"
    return steps, time_s, curves


def json_lines(path: Path, names: list[str] | None) -> Iterator[dict[str, Any] | None]:
    """JSON objects of a file; None for a line that is none, but for a last one without its end."""
    try:
        text = path.read_bytes().decode(errors="replace") if path.is_file() else ""
    except OSError:
        yield None
        return
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if not line.strip() or (names is not None and not any(name in line for name in names)):
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            yield row
        elif number + 1 < len(lines):
            yield None


def is_number(value: Any) -> bool:
    """Whether a record holds a number that is finite."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
