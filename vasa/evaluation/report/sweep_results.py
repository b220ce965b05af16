"""What evaluations measured of a sweep's members."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vasa.evaluation.report.run_records import RunSummary, is_number, json_lines
from vasa.evaluation.scales import role_of_metric

_NOT_LOOKED_IN = frozenset(("checkpoints", "model", "samples", "wandb", "tensorboard", "parts"))


@dataclass(kw_only=True)
class MemberResults:
    """Rows of the results.jsonl files below a sweep.

    Attributes:
        values: member's path to measured name to value; of several measurements the latest.
        is_higher: measured names with whether more is better, where either is.
        notes: what was left out, and why.
    """

    values: dict[str, dict[str, float]] = field(default_factory=dict)
    is_higher: dict[str, bool] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_member_results(root: Path, runs: Sequence[RunSummary]) -> MemberResults:
    """Measurements, by the member that they lie in or whose model they name.

    Results in a member's folder that name other models than its own are of an earlier training
    and are left out.

    Args:
        root: of the sweep.
        runs: its members.
    """
    found = MemberResults()
    dates: dict[tuple[str, str], str] = {}
    by_path = {root if run.path == root.name else root / run.path: run for run in runs}
    for path in _results_below(root):
        inside = next((by_path[one] for one in path.parents if one in by_path), None)
        num_damaged = num_foreign = 0
        for row in json_lines(path, None):
            if row is None or not isinstance(row.get("metric"), str):
                num_damaged += 1
                continue
            owners = _owners(row, inside, runs)
            num_foreign += not owners
            for run in owners:
                _take(row, run, found, dates)
        if num_damaged:
            found.notes.append(f"{path}: {num_damaged} lines are no results")
        if num_foreign:
            found.notes.append(f"{path}: {num_foreign} rows are of no member's present model")
    return found


def _take(
    row: dict[str, Any], run: RunSummary, found: MemberResults, dates: dict[tuple[str, str], str]
) -> None:
    name, date = row["metric"], str(row.get("date", ""))
    if str(row.get(role_of_metric(name) or "", "")).startswith("official"):
        name += " (official)"  # another measurement than by own weights, in a column of its own
    if not is_number(row.get("value")) or date < dates.get((run.path, name), ""):
        return
    dates[run.path, name] = date
    found.values.setdefault(run.path, {})[name] = float(row["value"])
    if isinstance(row.get("higher_is_better"), bool):
        found.is_higher[name] = row["higher_is_better"]


def _owners(
    row: dict[str, Any], inside: RunSummary | None, runs: Sequence[RunSummary]
) -> list[RunSummary]:
    models = row.get("models")
    named = [str(digits) for digits in models.values()] if isinstance(models, dict) else []
    if inside is None:
        return [run for run in runs if run.model_hash and run.model_hash in named]
    return [inside] if not named or inside.model_hash in named else []


def _results_below(root: Path) -> list[Path]:
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(
            name for name in folders if name not in _NOT_LOOKED_IN and not name.startswith(".")
        )
        if "results.jsonl" in files:
            found.append(Path(folder) / "results.jsonl")
    return found
