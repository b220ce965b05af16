"""The tables of a sweep as cells, Markdown, LaTeX and CSV."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vasa.evaluation.report.latex import tabular
from vasa.evaluation.report.seeds import Spread
from vasa.evaluation.report.sweep import Member, Row, Sweep, Table
from vasa.evaluation.report.table_lines import table_lines

HOW = (
    "Mean ± half of its 95% t-interval over training seeds; one seed has no interval. Logged "
    "numbers are the last of each run, measured ones those of its finished model."
)
HOW_PAIRED = (
    "Row less reference with the same seed, mean ± half of its 95% t-interval over the seeds that "
    "both have. * marks intervals without 0."
)
LONGEST_REASON = 240


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table as text.

    Attributes:
        header: of the columns.
        rows: as many cells each.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def spread_text(spread: Spread | None, *, num_seeds: int, is_difference: bool = False) -> str:
    """`0.1234 ± 0.012`; with the number of seeds where not all of the row's have it."""
    if spread is None:
        return "—"
    sign = "+" if is_difference else ""
    text = f"{spread.mean:{sign}.4g}"
    if math.isfinite(spread.low):
        text += f" ± {(spread.high - spread.low) / 2:.2g}"
        if is_difference and not spread.low <= 0 <= spread.high:
            text += " *"
    return text if spread.n == num_seeds else f"{text} (n = {spread.n})"


def means(table: Table, *, is_higher: Mapping[str, bool]) -> Grid:
    """A row a configuration, a column a metric."""
    rows = [
        [
            _row_name(row),
            ", ".join(row.seeds) or "none",
            *(spread_text(row.spreads.get(m), num_seeds=len(row.seeds)) for m in table.metrics),
        ]
        for row in table.rows
    ]
    return Grid(header=_header(table, is_higher), rows=rows)


def paired(table: Table, *, is_higher: Mapping[str, bool]) -> Grid | None:
    """The differences to the reference; None where there is nothing to compare."""
    rows = []
    for row in table.rows:
        shared = [seed for seed in row.seeds if seed in table.rows[0].seeds]
        if row.is_reference or not shared:
            continue
        cells = [
            spread_text(row.differences.get(m), num_seeds=len(shared), is_difference=True)
            for m in table.metrics
        ]
        rows.append([row.name, ", ".join(shared), *cells])
    return Grid(header=_header(table, is_higher), rows=rows) if rows else None


def members(sweep: Sweep, *, are_complete: bool) -> Grid:
    """Where each member stands; of those that are not complete, why."""
    rows = [
        [
            member.run.path,
            f"{table.stage}: {row.name}",
            member.seed,
            member.run.state,
            f"{member.run.steps}/{member.run.max_steps or '?'}",
            str(member.run.starts),
            member.run.commit,
            *([] if are_complete else [reason(member)]),
        ]
        for table in sweep.tables
        for row in table.rows
        for member in row.members
        if member.is_complete == are_complete
    ]
    header = ["member", "row", "seed", "state", "steps", "starts", "commit"]
    return Grid(header=header if are_complete else [*header, "why"], rows=rows)


def reason(member: Member) -> str:
    """Why a member is not complete."""
    run = member.run
    if run.state == "failed":
        text = run.error or "an error that it could not write down"
        return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} ... (error.json)"
    if run.state == "running":
        return "its record is younger than ten minutes: it is running, or was just killed"
    return "ended without a word: killed, or stopped to be continued"


def counts(sweep: Sweep) -> str:
    """How many members stand where."""
    states = [m.run.state for table in sweep.tables for row in table.rows for m in row.members]
    found = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states)))
    return f"{len(states)} members: {found}"


def sweep_markdown(sweep: Sweep) -> str:
    """All tables."""
    lines = [f"# Sweep: {sweep.root}", "", f"{counts(sweep)}.", "", HOW]
    for table in sweep.tables:
        lines += ["", f"## {table.stage}", "", *_grid(means(table, is_higher=sweep.is_higher))]
        if (differences := paired(table, is_higher=sweep.is_higher)) is not None:
            lines += ["", f"### Differences to the reference, {table.stage}", "", HOW_PAIRED, ""]
            lines += _grid(differences)
    for title, are_complete in (("Not complete", False), ("Complete members", True)):
        if (grid := members(sweep, are_complete=are_complete)).rows:
            lines += ["", f"## {title}", "", *_grid(grid)]
    if sweep.notes:
        lines += ["", "## Left out", "", *(f"- {note}" for note in sweep.notes)]
    return "\n".join(lines) + "\n"


def sweep_latex(sweep: Sweep) -> str:
    """A tabular a stage, the means alone; for \\input."""
    lines = [f"% {counts(sweep)}. {HOW}".replace("±", "+-")]
    for table in sweep.tables:
        grid = means(table, is_higher=sweep.is_higher)
        columns = "ll" + "r" * len(table.metrics)
        lines += [f"% {table.stage}", *tabular(grid.header, grid.rows, columns=columns)]
    return "\n".join(lines) + "\n"


def sweep_csv(sweep: Sweep) -> str:
    """A line a row and metric, in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ["stage", "row", "is_reference", "metric", "n", "seeds", "mean", "ci_low", "ci_high"]
    beside = ["difference", "difference_ci_low", "difference_ci_high", "difference_n"]
    writer.writerow([*names, *beside])
    for table in sweep.tables:
        for row in table.rows:
            for metric in table.metrics:
                found = _numbers(row.spreads.get(metric))
                difference = _numbers(row.differences.get(metric))
                fixed = [table.stage, row.name, row.is_reference, metric, found[3]]
                writer.writerow([*fixed, " ".join(row.seeds), *found[:3], *difference])
    return text.getvalue()


def _numbers(spread: Spread | None) -> list[float | int | str]:
    if spread is None:
        return ["", "", "", 0]
    bounds = ["" if math.isnan(bound) else bound for bound in (spread.low, spread.high)]
    return [spread.mean, *bounds, spread.n]


def _header(table: Table, is_higher: Mapping[str, bool]) -> list[str]:
    def arrow(name: str) -> str:
        if name in is_higher:
            return " ↑" if is_higher[name] else " ↓"
        return " ↓" if "loss" in name else ""

    return ["row", "seeds", *(name + arrow(name) for name in table.metrics)]


def _row_name(row: Row) -> str:
    is_named = row.is_reference and row.name != "reference"
    return f"{row.name} (reference)" if is_named else row.name


def _grid(grid: Grid) -> list[str]:
    return table_lines(grid.header, grid.rows)
