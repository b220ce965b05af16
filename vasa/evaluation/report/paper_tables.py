"""Results laid out as VASA-1's tables 1 to 5, the paper's numbers in columns of their own."""

from collections.abc import Callable, Sequence

from vasa.evaluation.report.capp_tables import capp_grids
from vasa.evaluation.report.guidance_table import guidance_grids
from vasa.evaluation.report.method_tables import method_grids
from vasa.evaluation.report.paper_layout import PaperGrid
from vasa.evaluation.report.paper_numbers import PAPER_TABLES, PaperTable
from vasa.evaluation.results import ResultRow
from vasa.types import InputError

MAKERS: dict[int, Callable[[Sequence[ResultRow], PaperTable], list[PaperGrid]]] = {
    1: method_grids,
    2: method_grids,
    3: capp_grids,
    4: capp_grids,
    5: guidance_grids,
}
ROWS = {
    **dict.fromkeys((1, 2), "methods/<method>/<name>"),
    3: "capp/<kind>_shift_<k>",
    4: "capp/<kind>_scale_<x>",
    5: "rows with lambda_audio, lambda_gaze and steps",
}
"""What each table is made from."""
UNASKED = (1, 3, 4, 5)
"""Tables 1 and 2 have the same rows, and only the clips tell them apart: 2 is laid out if asked."""


def paper_grids(rows: Sequence[ResultRow], *, tables: Sequence[int] = ()) -> list[PaperGrid]:
    """The paper's tables that these rows have numbers for.

    Args:
        rows: of one results file or several; several samples of one number are averaged.
        tables: which of 1 to 5; none: all but 2 that there are rows for.

    Raises:
        InputError: there is no such table, or no row for one that was asked for.
    """
    if unknown := set(tables) - set(PAPER_TABLES):
        raise InputError(f"expected tables of 1 to 5, got {sorted(unknown)}")
    grids: list[PaperGrid] = []
    for number in tables or UNASKED:
        found = MAKERS[number](rows, PAPER_TABLES[number])
        if tables and not found:
            raise InputError(
                f"expected rows of table {number} ({ROWS[number]}), found none; run the protocol "
                "that measures them"
            )
        grids += found
    return grids
