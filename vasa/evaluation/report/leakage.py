"""Leakage matrices: rows `disentanglement/<matrix>/<from>_<to>` as tables and as one heat map."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vasa.evaluation.protocols.leakage import CARRIED_BY
from vasa.evaluation.results import ResultRow

PREFIX = "disentanglement"
PICTURE = "6_leakage.png"
TITLES: dict[str, str] = {
    "leakage": "leakage, all swaps",
    "leakage_appearance": "appearance swapped",
    "leakage_pose": "pose swapped",
    "leakage_dynamics": "dynamics swapped",
    "reconstruction": "all taken",
    "encoder": "codes of the encoder",
}
TEXTS: dict[str, str] = {
    "leakage": "Error over the swaps of all codes; the wanted change is left out, so that a "
    "perfect stage 1 has 0 everywhere.",
    "leakage_appearance": "Only app_volume and z_id from the changed picture.",
    "leakage_pose": "Only z_pose from the changed picture.",
    "leakage_dynamics": "Only z_dyn from the changed picture.",
    "reconstruction": "The changed picture encoded and decoded whole: what no swap can beat. The "
    "truth of identity is the expert's reading of the rendered pictures, so its control is 0.",
    "encoder": "How far a code moves, of its distance between two pictures drawn at random; beside "
    "it the same network with random weights.",
}


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """One matrix of cells.

    Attributes:
        name: of the matrix in the rows' names.
        changed: factors that were changed, one a row.
        measured: what was read, one a column.
        values: `rows columns`, NaN where there is no cell.
        controls: the same of the controls.
    """

    name: str
    changed: list[str]
    measured: list[str]
    values: np.ndarray
    controls: np.ndarray

    def is_transfer(self, changed: str, measured: str) -> bool:
        """Whether this cell holds the wanted change: an error of what should arrive."""
        homes = (f"leakage_{CARRIED_BY.get(changed)}", "reconstruction")
        return changed == measured and self.name in homes


def is_cell(row: ResultRow) -> bool:
    """Whether a row is a cell of a matrix."""
    parts = row.metric.split("/")
    return len(parts) == 3 and parts[0] == PREFIX and parts[1] in TITLES


def matrices(rows: Sequence[ResultRow]) -> list[Matrix]:
    """The matrices that rows hold, in the order of the titles."""
    found = []
    for name in TITLES:
        cells = {
            tuple(row.metric.split("/")[2].split("_", 1)): row
            for row in rows
            if is_cell(row) and row.metric.split("/")[1] == name
        }
        if not cells:
            continue
        changed = list(dict.fromkeys(pair[0] for pair in cells))
        measured = list(dict.fromkeys(pair[1] for pair in cells))
        values, controls = (np.full((len(changed), len(measured)), np.nan) for _ in range(2))
        for (one, other), row in cells.items():
            place = changed.index(one), measured.index(other)
            values[place] = row.value
            controls[place] = np.nan if row.control is None else row.control
        found.append(
            Matrix(name=name, changed=changed, measured=measured, values=values, controls=controls)
        )
    return found


def matrix_facts(rows: Sequence[ResultRow]) -> list[dict[str, Any]]:
    """Each matrix as text: title, explanation, header, and rows of (value, control) cells."""

    def text(matrix: Matrix, row: int, column: int) -> tuple[str, str]:
        mark = "*" if matrix.is_transfer(matrix.changed[row], matrix.measured[column]) else ""
        value, control = matrix.values[row, column], matrix.controls[row, column]
        return (
            "—" if np.isnan(value) else f"{value:.2f}{mark}",
            "—" if np.isnan(control) else f"{control:.2f}",
        )

    return [
        {
            "title": f"{PREFIX}/{matrix.name}: {TITLES[matrix.name]}",
            "text": TEXTS[matrix.name],
            "header": matrix.measured,
            "rows": [
                (name, [text(matrix, row, column) for column in range(len(matrix.measured))])
                for row, name in enumerate(matrix.changed)
            ],
        }
        for matrix in matrices(rows)
    ]


def matrix_markdown(rows: Sequence[ResultRow]) -> list[str]:
    """The matrices as Markdown tables, `value (control)` a cell."""
    lines: list[str] = []
    for facts in matrix_facts(rows):
        lines += ["", f"### {facts['title']}", "", facts["text"], ""]
        lines += [f"| changed ↓ measured → | {' | '.join(facts['header'])} |"]
        lines += ["| --- |" + " ---: |" * len(facts["header"])]
        lines += [
            f"| {name} | " + " | ".join(f"{value} ({control})" for value, control in cells) + " |"
            for name, cells in facts["rows"]
        ]
    return lines


def leakage_figure(path: Path, rows: Sequence[ResultRow]) -> None:
    """All matrices as heat maps on one scale, and the measuring expert's own error beside them."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    found = matrices(rows)
    titles = [TITLES[matrix.name] for matrix in found]
    whole = next((m for m in found if m.name == "reconstruction"), None)
    if whole is not None:
        place = found.index(whole) + 1
        found.insert(place, replace(whole, values=whole.controls))
        titles.insert(place, "rendered: the expert's own error")
    columns = min(len(found), 4)
    lines = -(-len(found) // columns)
    figure = Figure(figsize=(4.1 * columns, 4.2 * lines), dpi=100, layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    image = None
    for axis, matrix, title in zip(axes, found, titles, strict=False):
        image = axis.imshow(matrix.values, cmap="magma_r", vmin=0, vmax=1)
        axis.set_title(title, fontsize=10, loc="left")
        axis.set_xticks(range(len(matrix.measured)), matrix.measured, rotation=45, ha="right")
        axis.set_yticks(range(len(matrix.changed)), matrix.changed)
        axis.tick_params(labelsize=8, length=0)
        for row, changed in enumerate(matrix.changed):
            for column, measured in enumerate(matrix.measured):
                value = matrix.values[row, column]
                ink = "white" if value > 0.6 else "black"
                axis.text(
                    column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=ink
                )
                if matrix.is_transfer(changed, measured):
                    box = Rectangle(
                        (column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="#1f9f5f", lw=2
                    )
                    axis.add_patch(box)
    for axis in axes[len(found) :]:
        axis.set_visible(False)
    if image is not None:
        bar = figure.colorbar(image, ax=axes.tolist(), shrink=0.6, extend="max")
        bar.set_label("in units of the measured factor's own change", fontsize=8)
    figure.supylabel("changed alone", fontsize=9)
    figure.supxlabel(
        "measured again. Boxes: what should arrive (0: it arrives whole, 1: not at all)", fontsize=9
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    figure.savefig(part, format="png")
    part.replace(path)
