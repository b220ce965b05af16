"""Cells to the lines of a Markdown table."""

from collections.abc import Sequence
from typing import Any


def table_lines(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A table; a cell may hold what would end it."""
    lines = [f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}"]
    cells = [[str(word).replace("|", "\\|") for word in row] for row in rows]
    return lines + [f"| {' | '.join(row)} |" for row in cells]
