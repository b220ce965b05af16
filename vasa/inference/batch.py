"""A table of videos to make, and what became of each."""

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from vasa.types import InputError

PATH_COLUMNS = ("image", "audio", "output", "pose")
"""Cells that name files, relative to the table; a pose may be written out as {...} instead."""


@dataclass(frozen=True, kw_only=True)
class BatchRow:
    """One row of the table.

    Attributes:
        line: in the file; the header is 1.
        cells: what is written, by column, without empty cells.
        problem: why the row cannot be read; empty where it can.
    """

    line: int
    cells: Mapping[str, str]
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class RowOutcome:
    """What became of a row.

    Attributes:
        line: of the table.
        output: the mp4 that was asked for.
        status: made, kept (it was complete already) or failed.
        videos: how many are there now, made and kept.
        frames: of all of them.
        reason: why it failed; empty otherwise.
    """

    line: int
    output: str
    status: str
    videos: int = 0
    frames: int = 0
    reason: str = ""


def read_batch(path: Path, *, columns: Collection[str]) -> list[BatchRow]:
    """Rows of a CSV with a header.

    Args:
        path: the file, UTF-8.
        columns: names that a header may hold.

    Raises:
        InputError: no such file, unknown columns, or no rows. A bad row is no error here.
    """
    if not path.is_file():
        raise InputError(f"expected a table with a header in batch=FILE.csv, found none at {path}")
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, skipinitialspace=True, strict=True)
            header = [name.strip() for name in next(reader, [])]
            rows = [
                _row(header, cells, folder=path.parent, line=reader.line_num)
                for cells in reader
                if any(cell.strip() for cell in cells)
            ]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"expected a CSV in UTF-8, could not read {path}: {error}") from error
    if unknown := [name for name in header if name not in columns]:
        raise InputError(
            f"expected columns of {', '.join(columns)} in {path}, got {', '.join(unknown)}"
        )
    if len(set(header)) < len(header):
        raise InputError(f"expected each column once in {path}, got {', '.join(header)}")
    if not rows:
        raise InputError(f"expected rows below the header of {path}, found none")
    return rows


def _row(header: list[str], cells: list[str], *, folder: Path, line: int) -> BatchRow:
    if len(cells) != len(header):
        problem = f"expected {len(header)} cells, got {len(cells)}"
        return BatchRow(line=line, cells={}, problem=problem)
    written = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    return BatchRow(
        line=line,
        cells={
            name: _beside(folder, cell) if name in PATH_COLUMNS else cell
            for name, cell in written.items()
            if cell
        },
    )


def _beside(folder: Path, cell: str) -> str:
    return cell if cell.startswith("{") or cell == "null" else str(folder / cell)


def write_outcomes(path: Path, outcomes: Sequence[RowOutcome]) -> None:
    """What became of the rows so far, as a CSV; whole at any moment."""
    part = path.with_name(path.name + ".part")
    with open(part, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(RowOutcome)])
        writer.writeheader()
        writer.writerows(asdict(outcome) for outcome in outcomes)
    part.replace(path)
