"""Loss curves of a run, or of several over each other, as one inlined SVG."""

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from vasa.evaluation.report.runs import RunRecord

COLUMNS = 3
LINE, PALE = "#1f5fa8", "#b9cbe0"
COLOURS = (
    *("#1f5fa8", "#c2571a", "#3f8f4f", "#7d4fa0", "#b3261e", "#8a6d3b"),
    *("#d17fb0", "#5f6b7a", "#a3a02c", "#2f9fb0"),
)
MOST_SPREADS = 4
"""Steps whose histograms are drawn over each other, the first and the last among them."""
DASHES = ("-", "--", ":", "-.")
SMOOTHED_SHARE = 1 / 15
MAX_POINTS = 150
"""Of a curve that lies over others: more are not seen, and make the page heavy."""


@dataclass(frozen=True, kw_only=True)
class Strand:
    """Runs that are drawn in one colour: the seeds of a configuration, or one run.

    Attributes:
        label: in the legend.
        runs: a line each.
    """

    label: str
    runs: Sequence[RunRecord]


def smooth(values: list[float]) -> np.ndarray:
    """Exponential average over a share of the run, its start corrected: m_k / (1 - s^k)."""
    span = max(1.0, len(values) * SMOOTHED_SHARE)
    keep = 1 - 2 / (span + 1)
    average, found = 0.0, []
    for count, value in enumerate(values, start=1):
        average = keep * average + (1 - keep) * value
        found.append(average / (1 - keep**count))
    return np.array(found)


def curve_names(*runs: RunRecord) -> list[str]:
    """Logged names with at least two points, the total loss first, bookkeeping last."""
    names = {name for run in runs for name, (steps, _) in run.curves.items() if len(steps) > 1}
    rank = {"train/loss": 0}

    def order(name: str) -> tuple[int, str]:
        is_bookkeeping = bool(
            re.search(
                r"^(speed|device)/|/(lr|learning_rate|grad(ient)?_norm|nonfinite|temperature)", name
            )
        )
        return rank.get(name, 2 if is_bookkeeping else 1), name

    return sorted(names, key=order)


def curves_svg(run: RunRecord) -> str | None:
    """Small multiples of everything the run logged; None where it logged nothing."""
    names = curve_names(run)
    if not names:
        return None
    figure, axes = _panels(names)
    for axis, name in zip(axes, names, strict=False):
        x, y = _finite(run, name)
        axis.plot(x, y, color=PALE, linewidth=0.8)
        if len(y) > 5:
            axis.plot(x, smooth(list(y)), color=LINE, linewidth=1.3)
        _scale(axis, [y])
    return figure_svg(figure)


def histograms_svg(run: RunRecord) -> str | None:
    """How the codes were spread: early pale, late dark; None where none were counted."""
    names = sorted(run.histograms)
    if not names:
        return None
    figure, axes = _panels(names)
    for axis, name in zip(axes, names, strict=False):
        counted = run.histograms[name]
        chosen = sorted({round(i) for i in np.linspace(0, len(counted) - 1, MOST_SPREADS)})
        for place, index in enumerate(chosen, start=1):
            step, histogram = counted[index]
            edges, counts = np.array(histogram["edges"]), np.array(histogram["counts"])
            density = counts / (max(1, counts.sum()) * np.diff(edges))
            share = place / len(chosen)
            axis.stairs(density, edges, color=LINE, alpha=0.25 + 0.75 * share, label=f"{step}")
        axis.legend(fontsize=6, frameon=False, title="step", title_fontsize=6)
    return figure_svg(figure)


def overlaid_svg(strands: Sequence[Strand]) -> str | None:
    """Small multiples of what the runs logged, a colour a strand; None where nothing was logged."""
    names = curve_names(*(run for strand in strands for run in strand.runs))
    if not names:
        return None
    figure, axes = _panels(names)
    handles: dict[str, Any] = {}
    for axis, name in zip(axes, names, strict=False):
        drawn = []
        for place, strand in enumerate(strands):
            for run in strand.runs:
                x, y = _finite(run, name)
                step = math.ceil(max(1, len(y)) / MAX_POINTS)
                (line,) = axis.plot(
                    x[::-step][::-1],
                    smooth(list(y))[::-step][::-1],
                    color=COLOURS[place % len(COLOURS)],
                    linestyle=DASHES[place // len(COLOURS) % len(DASHES)],
                    linewidth=1.1,
                )
                handles.setdefault(strand.label, line)
                drawn.append(y)
        _scale(axis, drawn)
    figure.legend(
        handles=list(handles.values()),
        labels=list(handles),
        loc="outside upper left",
        ncols=3,
        fontsize=8,
        frameon=False,
    )
    return figure_svg(figure)


def _finite(run: RunRecord, name: str) -> tuple[np.ndarray, np.ndarray]:
    steps, values = run.curves.get(name, ([], []))
    finite = np.isfinite(values)
    return np.array(steps)[finite], np.array(values)[finite]


def _panels(names: Sequence[str]) -> tuple[Figure, Any]:
    num_rows = math.ceil(len(names) / COLUMNS)
    figure = Figure(figsize=(10.5, 1.95 * num_rows), layout="constrained")
    axes = figure.subplots(num_rows, COLUMNS, squeeze=False).ravel()
    for axis, name in zip(axes, names, strict=False):
        axis.set_title(name, fontsize=8, loc="left")
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#eceef1", linewidth=0.7)
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    return figure, axes


def _scale(axis: Any, curves: Sequence[np.ndarray]) -> None:
    """Logarithmic where values span far."""
    values = np.concatenate(curves)
    if len(values) and values.min() > 0 and values.max() / values.min() > 30:
        axis.set_yscale("log")


def figure_svg(figure: Figure) -> str:
    """A figure as SVG to inline."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))  # the same figure, the same text
    figure.savefig(buffer, format="svg", metadata=nothing)
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]
