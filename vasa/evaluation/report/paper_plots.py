"""Figures beside the paper's tables: CAPP against shift and scale, scores against guidance.

Own numbers are on the left axis with their intervals; the paper's are grey, dashed, and on an axis
of their own, since they are another measurement: only the course of a curve compares.
"""

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from vasa.evaluation.report.capp_tables import CHANGES, WHAT, capp_scores, measured_values
from vasa.evaluation.report.curves import COLOURS
from vasa.evaluation.report.guidance_table import COLUMNS, guidance_scores
from vasa.evaluation.report.paper_numbers import PAPER_TABLES, PaperTable
from vasa.evaluation.report.samples import estimate
from vasa.evaluation.results import ResultRow

GREY = "#8a8f98"
PANELS = 3
OVER_AUDIO = {f"{audio} 1.0 50": audio for audio in (0.0, 0.5, 1.0, 2.0)}
OVER_GAZE = {f"0.0 {gaze} 50": gaze for gaze in (0.0, 1.0, 2.0)}
BY_GAZE = "generated/gaze_error_deg"


def capp_figure(rows: Sequence[ResultRow]) -> Figure | None:
    """CAPP against the shift of the sound, and against the scale of motion; None without rows."""
    kinds = capp_scores(rows)
    shown = [
        (change, PAPER_TABLES[number])
        for number, (change, _) in CHANGES.items()
        if any(len(measured_values(scores, change)) > 1 for scores in kinds.values())
    ]
    if not shown:
        return None
    figure = Figure(figsize=(4.2 * len(shown), 3.0), layout="constrained")
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    for panel, (axis, (change, paper)) in enumerate(zip(axes, shown, strict=True)):
        is_first = panel == 0  # the legend's
        for place, ((kind, by), scores) in enumerate(kinds.items()):
            lines = {
                float(value): scores[f"{change}_{value}"]
                for value in measured_values(scores, change)
            }
            label = f"{kind}, {by}" if is_first else ""
            _own(axis, lines, colour=COLOURS[place % len(COLOURS)], label=label)
        told = "paper, right axis" if is_first else ""
        _paper(axis, paper, "CAPP", {name: float(name) for name in paper.rows}, label=told)
        axis.set_xlabel(WHAT[change], fontsize=8)
        axis.set_ylabel("CAPP", fontsize=8)
    figure.legend(loc="outside upper left", ncols=3, fontsize=7, frameon=False)
    return figure


def guidance_figure(rows: Sequence[ResultRow]) -> Figure | None:
    """Each score against the guidance that moves it; None without rows of table 5."""
    scores = guidance_scores(rows)
    panels = []
    for metric, name in COLUMNS.items():
        over = OVER_GAZE if metric == BY_GAZE else OVER_AUDIO
        found = {by: lines for (other, by), lines in scores.items() if other == metric}
        if any(len(set(over) & set(lines)) > 1 for lines in found.values()):
            panels.append((name, over, found))
    if not panels:
        return None
    num_rows = math.ceil(len(panels) / PANELS)
    figure = Figure(figsize=(10.5, 2.4 * num_rows + 0.3), layout="constrained")
    axes = figure.subplots(num_rows, PANELS, squeeze=False).ravel()
    for axis, (name, over, found) in zip(axes, panels, strict=False):
        for place, lines in enumerate(found.values()):
            points = {x: lines[setting] for setting, x in over.items() if setting in lines}
            _own(axis, points, colour=COLOURS[place % len(COLOURS)], label="")
        _paper(axis, PAPER_TABLES[5], name, over)
        which = "lambda_g (lambda_A = 0)" if over is OVER_GAZE else "lambda_A (lambda_g = 1)"
        axis.set_xlabel(which, fontsize=8)
        judges = ", ".join(found)
        axis.set_title(f"{name}, {judges}" if judges else name, fontsize=8, loc="left")
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    return figure


def _own(axis, lines: Mapping[float, list[ResultRow]], *, colour: str, label: str) -> None:
    found = {x: estimate(rows) for x, rows in lines.items()}
    values = [one.value for one in found.values()]
    low = [0.0 if math.isnan(one.ci_low) else one.value - one.ci_low for one in found.values()]
    high = [0.0 if math.isnan(one.ci_high) else one.ci_high - one.value for one in found.values()]
    # A percentile interval need not hold the value.
    bars = [[max(0.0, width) for width in widths] for widths in (low, high)]
    axis.errorbar(
        list(found), values, yerr=bars, color=colour, marker="o", markersize=3.5, linewidth=1.2,
        capsize=2, label=label or None,
    )  # fmt: skip
    axis.tick_params(labelsize=7)
    axis.spines[["top", "right"]].set_visible(False)


def _paper(
    axis, paper: PaperTable, column: str, over: Mapping[str, float], *, label: str = ""
) -> None:
    points = {x: paper.value(name, column) for name, x in over.items()}
    if all(value is None for value in points.values()):
        return
    beside = axis.twinx()
    beside.plot(
        list(points), list(points.values()), color=GREY, linestyle="--", linewidth=1.0,
        label=label or None,
    )  # fmt: skip
    beside.tick_params(labelsize=7, colors=GREY)
    beside.spines["top"].set_visible(False)
    beside.set_ylabel(f"{column} paper", fontsize=7, color=GREY)
