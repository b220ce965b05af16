"""A sweep from its members' records: rows that differ by more than a seed, numbers over seeds.

A sweep is the folder that its members' run folders lie in, such as runs/stage2/ablation. What was
logged and what evaluations measured (results.jsonl) are taken alike; only complete members count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from vasa.evaluation.report.differences import (
    HANDLING,
    Config,
    commonest,
    differing_keys,
    is_below,
    is_seed,
    json_of,
    row_names,
)
from vasa.evaluation.report.run_records import Results, RunSummary, find_runs, read_run
from vasa.evaluation.report.seeds import Spread, spread_of
from vasa.evaluation.report.sweep_results import read_member_results
from vasa.types import InputError

_MANY = 40
_PLACES = tuple(key for key in HANDLING if key != "stage")


@dataclass(frozen=True, kw_only=True)
class Member:
    """One run of a sweep.

    Attributes:
        run: its records.
        folder: where they lie.
        values: the last logged and the measured numbers, by name; empty where it is not complete.
    """

    run: RunSummary
    folder: Path
    values: Mapping[str, float]

    @property
    def is_complete(self) -> bool:
        """Whether all of it was done."""
        return self.run.state == "done"

    @property
    def seed(self) -> str:
        """Its seed as text; its path where it has none."""
        return str(self.run.config.get("seed", self.run.path))

    @property
    def stage(self) -> str:
        """stage1, stage2, ..."""
        return str(self.run.config.get("stage", "unknown"))


@dataclass(frozen=True, kw_only=True)
class Row:
    """Members that differ by nothing but their seed.

    Attributes:
        name: what the row has other than the reference.
        is_reference: whether it is the row that others are compared with.
        members: all of them.
        seeds: of the members that count.
        spreads: metric to mean and interval over seeds.
        differences: the same of the paired differences to the reference, seed by seed.
    """

    name: str
    is_reference: bool
    members: Sequence[Member]
    seeds: Sequence[str]
    spreads: Mapping[str, Spread]
    differences: Mapping[str, Spread]


@dataclass(frozen=True, kw_only=True)
class Table:
    """The rows of one stage, the reference first.

    Attributes:
        stage: stage1, stage2, ...
        metrics: columns.
        rows: of the table.
    """

    stage: str
    metrics: Sequence[str]
    rows: Sequence[Row]


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """All of a sweep.

    Attributes:
        root: the folder.
        tables: one a stage.
        notes: what was left out, and why.
        is_higher: measured metrics with whether more is better, where either is.
    """

    root: Path
    tables: Sequence[Table]
    notes: Sequence[str]
    is_higher: Mapping[str, bool]


def read_sweep(
    root: Path,
    *,
    metrics: Sequence[str] = (),
    ignore: Sequence[str] = (),
    reference: str | None = None,
    headlines: Sequence[str] = (),
) -> Sweep:
    """Read the members below a folder and group them.

    Args:
        root: the folder.
        metrics: logged or measured names, a column each; none: those of `headlines` that were
            measured, the validation losses and train/loss.
        ignore: dotted configuration keys whose difference makes no row of its own.
        reference: path below `root` of a member of the row to compare with; None: the commonest
            configuration.
        headlines: measured names to show where none are chosen.

    Raises:
        InputError: no members, or a metric, key or reference that is not there.
    """
    folders = find_runs(root)[0] if root.is_dir() else []
    if not folders:
        raise InputError(
            f"expected run folders below {root}, found none; sweep= is the folder that the "
            "members' run_dir lie in, such as runs/stage2/NAME"
        )
    runs = [read_run(one, root=root, is_higher=None, results=Results()) for one in folders]
    known = {key for run in runs for key in run.config}
    for key in ignore:
        if not any(is_below(one, [key]) for one in known):
            raise _unknown("ignore", key, sorted(known))
    if reference is not None and reference not in [run.path for run in runs]:
        raise _unknown("reference", reference, [run.path for run in runs])
    measured = read_member_results(root, runs)
    members = [
        Member(run=run, folder=folder, values=_values(run, measured.values.get(run.path, {})))
        for run, folder in zip(runs, folders, strict=True)
    ]
    columns = _columns(members, metrics, headlines)
    notes = [f"{run.path}/{name}: {why}" for run in runs for name, why in run.damaged.items()]
    notes += measured.notes
    tables = []
    for stage in sorted({member.stage for member in members}):
        own = [member for member in members if member.stage == stage]
        kept = [name for name in columns if any(name in member.values for member in own)]
        rows = _rows(own, kept, places=(*_PLACES, *ignore), reference=reference, notes=notes)
        tables.append(Table(stage=stage, metrics=kept, rows=rows))
    return Sweep(root=root, tables=tables, notes=notes, is_higher=measured.is_higher)


def _values(run: RunSummary, measured: Mapping[str, float]) -> dict[str, float]:
    if run.state != "done":
        return {}
    return {name: value.last for name, value in run.metrics.items()} | dict(measured)


def _rows(
    members: Sequence[Member],
    metrics: Sequence[str],
    *,
    places: Sequence[str],
    reference: str | None,
    notes: list[str],
) -> list[Row]:
    """Rows in the order of what differs, the reference first."""
    configs = [member.run.config for member in members]
    keys = [key for key in differing_keys(configs, places=places) if not is_seed(key)]
    grouped: dict[tuple[str, ...], list[Member]] = {}
    for member in members:
        grouped.setdefault(tuple(json_of(member.run.config, key) for key in keys), []).append(
            member
        )
    groups = list(grouped.values())
    configs = [group[0].run.config for group in groups]
    base = _base(groups, configs, keys, reference)
    order = sorted(
        range(len(groups)), key=lambda i: (i != base, *_place(configs[i], configs[base], keys))
    )
    groups, configs = [groups[i] for i in order], [configs[i] for i in order]
    names = row_names(configs, keys=keys, reference=0)
    counted = [_by_seed(group, notes) for group in groups]
    return [
        Row(
            name=name,
            is_reference=group is groups[0],
            members=group,
            seeds=list(own),
            spreads=_spreads(metrics, own),
            differences={} if group is groups[0] else _paired(metrics, own, counted[0]),
        )
        for name, group, own in zip(names, groups, counted, strict=True)
    ]


def _base(
    groups: Sequence[Sequence[Member]],
    configs: Sequence[Config],
    keys: Sequence[str],
    reference: str | None,
) -> int:
    """The row to compare with: of the member asked for, called reference, or the commonest."""
    for index, group in enumerate(groups):
        names = [str(member.run.config.get("name")) for member in group]
        paths = [member.run.path for member in group]
        if reference in paths or (
            reference is None and any(name.split("/")[-1] == "reference" for name in names)
        ):
            return index
    order = sorted(
        range(len(configs)),
        key=lambda i: (not any(m.is_complete for m in groups[i]), _place(configs[i], {}, keys)),
    )
    return order[commonest([configs[i] for i in order], keys=keys)]


def _place(config: Config, base: Config, keys: Sequence[str]) -> tuple[object, ...]:
    """For sorting: by the first key that differs from the base, then by value."""
    differing = [json_of(config, key) != json_of(base, key) for key in keys]
    values = [config.get(key) for key in keys]
    is_number = [isinstance(value, int | float) for value in values]
    numbers = [
        (not known, float(value) if known else 0.0, str(value))  # type: ignore[arg-type]
        for known, value in zip(is_number, values, strict=True)
    ]
    return ([not one for one in differing], numbers)


def _by_seed(group: Sequence[Member], notes: list[str]) -> dict[str, Member]:
    """The complete members by seed; the second of the same seed tells nothing new."""
    found: dict[str, Member] = {}
    for member in group:
        if not member.is_complete:
            continue
        if member.seed in found:
            notes.append(
                f"{member.run.path}: configuration and seed of {found[member.seed].run.path}, "
                "not counted twice"
            )
        else:
            found[member.seed] = member
    return found


def _spreads(metrics: Sequence[str], members: Mapping[str, Member]) -> dict[str, Spread]:
    columns = {
        name: [one.values[name] for one in members.values() if name in one.values]
        for name in metrics
    }
    return {name: spread_of(values) for name, values in columns.items() if values}


def _paired(
    metrics: Sequence[str], own: Mapping[str, Member], base: Mapping[str, Member]
) -> dict[str, Spread]:
    """Own less base, seed by seed."""
    columns = {
        name: [
            member.values[name] - base[seed].values[name]
            for seed, member in own.items()
            if seed in base and name in member.values and name in base[seed].values
        ]
        for name in metrics
    }
    return {name: spread_of(values) for name, values in columns.items() if values}


def _columns(
    members: Sequence[Member], metrics: Sequence[str], headlines: Sequence[str]
) -> list[str]:
    known = list(dict.fromkeys(name for member in members for name in member.values))
    for name in metrics:
        if known and name not in known:
            raise _unknown("metric", name, sorted(known))
    losses = [name for name in known if name.startswith("val/")] + ["train/loss"]
    return list(metrics) or [name for name in (*headlines, *losses) if name in known]


def _unknown(option: str, word: str, known: Sequence[str]) -> InputError:
    near = get_close_matches(word, known, n=3, cutoff=0.5)
    hint = f"nearest: {', '.join(near)}; " if near else ""
    more = f", ... ({len(known)})" if len(known) > _MANY else ""
    there = ", ".join(known[:_MANY]) + more
    return InputError(f"{option}={word}: the sweep has none such; {hint}there are {there}")
