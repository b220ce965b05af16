"""The runs below a folder as a table: state, numbers, and the configuration keys that differ.

    vasa runs [DIR] [metric=NAME:higher] [filter=KEY=VALUE ...] [sort=-best:NAME] [format=csv]

Read from the runs' own records (config.yaml, env.json, metrics.jsonl, done.json and results.jsonl
of evaluations); no server, no torch. A run without an end counts as running while its record is
younger than ten minutes, else as stopped: the same command continues it.
"""

import csv
import fnmatch
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
import yaml
from omegaconf import DictConfig

from vasa.cli.paths import conf_dir
from vasa.evaluation.report.differences import LONGEST, differing_keys, last_parts, plain
from vasa.evaluation.report.run_records import RunSummary, find_runs, read_results, read_run


def columns_of(run: RunSummary) -> dict[str, Any]:
    """The fixed columns of a run; None where nothing is known."""
    row: dict[str, Any] = {
        "path": run.path,
        "stage": run.config.get("stage"),
        "state": run.state,
        "steps": run.steps,
        "max_steps": run.max_steps,
        "time_s": run.time_s,
        "commit": run.commit or None,
        "data_hash": run.data_hash or None,
    }
    for name, values in run.metrics.items():
        row |= {name: values.last, f"best:{name}": values.best}
    return row


def keys_of(runs: Sequence[RunSummary]) -> list[str]:
    """Configuration keys in which runs of one stage differ, in the order of the configuration."""
    stages: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        stages.setdefault(str(run.config.get("stage")), []).append(run.config)
    found = {key for configs in stages.values() for key in differing_keys(configs)}
    order = {key: place for run in runs for place, key in enumerate(run.config)}
    return sorted(found, key=lambda key: (order[key], key))


def value_of(run: RunSummary, key: str) -> Any:
    """A column, or a key of the configuration."""
    columns = columns_of(run)
    return columns[key] if key in columns else run.config.get(key)


def is_match(run: RunSummary, key: str, wanted: str) -> bool:
    """Whether a column or key has this value; `*` stands for anything, numbers are numbers."""
    found = value_of(run, key)
    if fnmatch.fnmatchcase(str(found), wanted):
        return True
    try:
        value = yaml.safe_load(wanted)
        if isinstance(found, bool) or isinstance(value, bool) or found is None or value is None:
            return found is value
        return float(found) == float(wanted)
    except (ValueError, TypeError, yaml.YAMLError):
        return False


def chosen(runs: Sequence[RunSummary], filters: Sequence[str], sort: str) -> list[RunSummary]:
    """Runs for which all filters hold, sorted; runs without the value to sort by come last.

    Raises:
        InputError: a filter that is no key=value, or a key that no run has.
    """
    known = {key for run in runs for key in [*columns_of(run), *run.config]}
    for word in filters:
        key, is_pair, wanted = word.partition("=")
        if not is_pair:
            raise _mistake(f"expected filter=key=value, got filter={word}")
        _check_known(key, known)
        runs = [run for run in runs if is_match(run, key, wanted)]
    key = sort.removeprefix("-")
    _check_known(key, known)

    def order(run: RunSummary) -> tuple[bool, float, str]:
        value = value_of(run, key)
        is_number = isinstance(value, int | float)
        return (not is_number, float(value) if is_number else 0.0, str(value))

    present = [run for run in runs if value_of(run, key) is not None]
    absent = [run for run in runs if value_of(run, key) is None]
    return sorted(present, key=order, reverse=sort.startswith("-")) + absent


def rows_of(runs: Sequence[RunSummary], metrics: Sequence[str]) -> list[dict[str, Any]]:
    """A row a run, all with the same keys: fixed columns, metrics, differing keys."""
    names = [column for metric in metrics for column in (metric, f"best:{metric}")]
    keys = keys_of(runs)
    rows = []
    for run in runs:
        columns = columns_of(run)
        fixed = {key: value for key, value in columns.items() if key not in names}
        measured = {name: columns.get(name) for name in names}
        rows.append({**fixed, **measured, **{key: run.config.get(key) for key in keys}})
    return rows


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Comma-separated values with a header; empty where nothing is known."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: plain(value) for key, value in row.items()} for row in rows)
    return text.getvalue().rstrip("\n")


def as_table(rows: Sequence[dict[str, Any]], *, keys: Sequence[str], max_columns: int) -> str:
    """Columns for people: steps with their goal, times in hours, short names of keys.

    Args:
        rows: of `rows_of`.
        keys: those of them that are differing keys of the configuration.
        max_columns: differing keys shown; a line says how many are not.
    """
    shown = [key for key in rows[0] if key not in ("max_steps", *keys[max_columns:])]
    titles = {**last_parts(keys), "time_s": "time"}
    cells = [[titles.get(key, key) for key in shown]]
    cells += [[_cell(key, row) for key in shown] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    if len(keys) > max_columns:
        lines.append(f"({len(keys) - max_columns} more keys differ: format=csv, or max_columns=N)")
    return "\n".join(lines)


def _cell(key: str, row: dict[str, Any]) -> str:
    value = row[key]
    if value is None:
        return "-"
    if key == "steps":
        return f"{value}/{row['max_steps']}" if row["max_steps"] else str(value)
    if key == "time_s":
        minutes, seconds = divmod(round(value), 60)
        return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
    text = f"{value:.5g}" if isinstance(value, float) else str(plain(value))
    if key != "path" and len(text) > LONGEST:
        return f"...{text[3 - LONGEST :]}"
    return text


def _mistake(text: str) -> ValueError:
    from vasa.types import InputError  # which takes torch a second

    return InputError(text)


def _check_known(key: str, known: set[str]) -> None:
    from vasa.cli.mistakes import nearest

    if known and key not in known:
        raise _mistake(f"no run has the column or key {key!r}{nearest(key, sorted(known))}")


def _directions(names: Sequence[str]) -> dict[str, bool]:
    """Metric to whether more is better, from NAME, NAME:lower and NAME:higher."""
    directions = {}
    for word in names:
        name, _, direction = str(word).partition(":")
        if direction not in ("", "lower", "higher"):
            raise _mistake(f"expected metric=NAME, NAME:lower or NAME:higher, got metric={word}")
        directions[name] = direction == "higher"
    return directions


def _report_damage(runs: Sequence[RunSummary], others: dict[str, str]) -> None:
    faults = {f"{run.path}/{name}": why for run in runs for name, why in run.damaged.items()}
    faults |= others
    if faults:
        print(f"vasa: {len(faults)} damaged records, left out:", file=sys.stderr)
        for where, why in list(faults.items())[:10]:
            print(f"  {where}: {why}", file=sys.stderr)


@hydra.main(version_base="1.3", config_path=conf_dir(), config_name="runs")
def main(cfg: DictConfig) -> None:
    """Find, read, choose, print."""
    root = Path(cfg.input)
    if not root.is_dir():
        raise _mistake(f"expected a folder of runs, found none at {root}; vasa runs DIR")
    if cfg.format not in ("table", "csv", "json"):
        raise _mistake(f"expected format=table, csv or json, got format={cfg.format}")
    metrics = _directions([cfg.metric] if isinstance(cfg.metric, str) else list(cfg.metric))
    filters = [cfg.filter] if isinstance(cfg.filter, str) else list(cfg.filter)
    folders, files = find_runs(root)
    results = read_results(files, names=list(metrics))
    runs = [read_run(folder, root=root, is_higher=metrics, results=results) for folder in folders]
    _report_damage(runs, results.damaged)
    left = chosen(runs, [str(word) for word in filters], str(cfg.sort))
    rows = rows_of(left, list(metrics))
    if cfg.format == "json":
        print(json.dumps(rows, indent=2, default=str))
    elif not rows:
        print(f"vasa: no runs in {root}" + (f" of {len(runs)} that match" if runs else ""),
              file=sys.stderr)  # fmt: skip
    elif cfg.format == "csv":
        print(as_csv(rows))
    else:
        keys = keys_of(left)
        print(as_table(rows, keys=keys, max_columns=cfg.max_columns))


if __name__ == "__main__":
    main()
