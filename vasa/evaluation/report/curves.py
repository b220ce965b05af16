"""Loss curves of a run, as one inlined SVG."""

import io
import math
import re

import numpy as np
from matplotlib.figure import Figure

from vasa.evaluation.report.runs import RunRecord

COLUMNS = 3
LINE = "#1f5fa8"
SMOOTHED_SHARE = 1 / 15


def smooth(values: list[float]) -> np.ndarray:
    """Exponential average over a share of the run, its start corrected: m_k / (1 - s^k)."""
    span = max(1.0, len(values) * SMOOTHED_SHARE)
    keep = 1 - 2 / (span + 1)
    average, found = 0.0, []
    for count, value in enumerate(values, start=1):
        average = keep * average + (1 - keep) * value
        found.append(average / (1 - keep**count))
    return np.array(found)


def curve_names(run: RunRecord) -> list[str]:
    """Logged names with at least two points, the total loss first, bookkeeping last."""
    names = [name for name, (steps, _) in run.curves.items() if len(steps) > 1]
    rank = {"train/loss": 0}

    def order(name: str) -> tuple[int, str]:
        is_bookkeeping = bool(
            re.search(r"/(lr|learning_rate|grad(ient)?_norm|temperature|steps_per_s|memory)", name)
        )
        return rank.get(name, 2 if is_bookkeeping else 1), name

    return sorted(names, key=order)


def curves_svg(run: RunRecord) -> str | None:
    """Small multiples of everything the run logged; None where it logged nothing."""
    names = curve_names(run)
    if not names:
        return None
    num_rows = math.ceil(len(names) / COLUMNS)
    figure = Figure(figsize=(10.5, 1.95 * num_rows), layout="constrained")
    axes = figure.subplots(num_rows, COLUMNS, squeeze=False).ravel()
    for axis, name in zip(axes, names, strict=False):
        steps, values = run.curves[name]
        finite = np.isfinite(values)
        x, y = np.array(steps)[finite], np.array(values)[finite]
        axis.plot(x, y, color="#b9cbe0", linewidth=0.8)
        if len(y) > 5:
            axis.plot(x, smooth(list(y)), color=LINE, linewidth=1.3)
        axis.set_title(name, fontsize=8, loc="left")
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#eceef1", linewidth=0.7)
        if len(y) and y.min() > 0 and y.max() / y.min() > 30:
            axis.set_yscale("log")
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]
