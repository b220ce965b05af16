"""A table of own columns and the paper's, as Markdown, as LaTeX, and as facts for the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vasa.evaluation.report.latex import tabular, tex
from vasa.evaluation.report.table_lines import table_lines

NOTHING = "—"


@dataclass(frozen=True, kw_only=True)
class PaperGrid:
    """A table as text, the paper's columns last.

    Attributes:
        title: with the number of the paper's table.
        header: of the columns; the paper's end in "paper".
        rows: as many cells each.
        num_paper: columns that hold the paper's numbers.
        num_labels: first columns that hold no numbers.
        notes: what the own numbers were measured with, and what the paper's.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    num_paper: int = 0
    num_labels: int = 1
    notes: tuple[str, ...] = ()


def grid_lines(grid: PaperGrid) -> list[str]:
    """The table as Markdown, the paper's numbers in italics, without title and notes."""
    own = len(grid.header) - grid.num_paper
    rows = [
        [*row[:own], *(cell if cell == NOTHING else f"*{cell}*" for cell in row[own:])]
        for row in grid.rows
    ]
    return table_lines(grid.header, rows)


def grids_markdown(grids: Sequence[PaperGrid], *, level: int = 3) -> list[str]:
    """All tables with titles and notes."""
    lines: list[str] = []
    for grid in grids:
        lines += ["", f"{'#' * level} {grid.title}", "", *grid_lines(grid)]
        if grid.notes:
            lines += ["", *(f"- {note}" for note in grid.notes)]
    return lines


def grids_latex(grids: Sequence[PaperGrid]) -> str:
    """A tabular a table, its title and notes as comments above it; for \\input."""
    lines = []
    for grid in grids:
        numbers = len(grid.header) - grid.num_labels - grid.num_paper
        columns = "l" * grid.num_labels + "r" * numbers
        if grid.num_paper:
            columns += "|" + "r" * grid.num_paper
        lines += [f"% {tex(text)}" for text in (grid.title, *grid.notes)]
        lines += tabular(grid.header, grid.rows, columns=columns, num_italic=grid.num_paper)
        lines += [""]
    return "\n".join(lines)


def grid_facts(grids: Sequence[PaperGrid]) -> list[dict[str, Any]]:
    """What the page needs: cells with the class that they are set in."""

    def kinds(grid: PaperGrid) -> list[str]:
        numbers = len(grid.header) - grid.num_labels - grid.num_paper
        return [""] * grid.num_labels + ["num"] * numbers + ["num paper"] * grid.num_paper

    return [
        {
            "title": grid.title,
            "header": list(zip(grid.header, kinds(grid), strict=True)),
            "rows": [list(zip(row, kinds(grid), strict=True)) for row in grid.rows],
            "notes": grid.notes,
        }
        for grid in grids
    ]
