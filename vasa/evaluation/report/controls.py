"""Obedience of controls: rows `control/asked/<control>_lambda_<l>/<value>` as tables and a figure.

The figure is the numbers' side of VASA-1 figure 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vasa.evaluation.results import ResultRow

PREFIX = "control/asked/"
TITLES: dict[str, str] = {
    "gaze_theta": "gaze, sideways (rad)",
    "gaze_phi": "gaze, up and down (rad)",
    "distance": "head distance over the mean",
    "emotion": "weight of the emotion asked for",
}
COLOURS = ("#1f5fa8", "#c2571a", "#3f8f4f", "#7d4fa0")
GREY = "#8a8f98"


@dataclass(frozen=True, kw_only=True)
class AskedCurve:
    """One control at one lambda.

    Attributes:
        control: of TITLES.
        scale: lambda.
        rows: one an asked value, in the order they were asked.
    """

    control: str
    scale: str
    rows: list[ResultRow]

    @property
    def labels(self) -> list[str]:
        """The asked values."""
        return [row.metric.rsplit("/", 1)[1] for row in self.rows]


def is_asked_row(row: ResultRow) -> bool:
    """Whether a row belongs in these tables rather than in a list."""
    return row.metric.startswith(PREFIX)


def asked_curves(rows: Sequence[ResultRow]) -> list[AskedCurve]:
    """The curves that rows hold, by control in the order of TITLES."""
    found: dict[tuple[str, str], list[ResultRow]] = {}
    for row in filter(is_asked_row, rows):
        control, scale = row.metric.split("/")[2].split("_lambda_")
        found.setdefault((control, scale), []).append(row)
    curves = [AskedCurve(control=c, scale=s, rows=list(of)) for (c, s), of in found.items()]
    return sorted(curves, key=lambda curve: list(TITLES).index(curve.control))


def asked_facts(rows: Sequence[ResultRow]) -> list[dict[str, Any]]:
    """Each control as text: title, header of asked values, and rows of (value, control) cells."""
    curves = asked_curves(rows)
    return [
        {
            "title": TITLES[control],
            "header": next(curve.labels for curve in curves if curve.control == control),
            "rows": [
                (
                    f"lambda {curve.scale}",
                    [
                        (f"{row.value:.3f}", "" if row.control is None else f"{row.control:.3f}")
                        for row in curve.rows
                    ],
                )
                for curve in curves
                if curve.control == control
            ],
        }
        for control in dict.fromkeys(curve.control for curve in curves)
    ]


def asked_markdown(rows: Sequence[ResultRow]) -> list[str]:
    """The tables as Markdown, `value (control)` a cell."""
    lines: list[str] = []
    for facts in asked_facts(rows):
        lines += ["", f"### {facts['title']}", ""]
        lines += [f"| asked → | {' | '.join(facts['header'])} |"]
        lines += ["| --- |" + " ---: |" * len(facts["header"])]
        lines += [
            f"| {name} | " + " | ".join(f"{value} ({control})" for value, control in cells) + " |"
            for name, cells in facts["rows"]
        ]
    return lines


def controls_figure(path: Path, rows: Sequence[ResultRow]) -> None:
    """What the frames show against what was asked, a panel a control, with intervals."""
    from matplotlib.figure import Figure

    curves = asked_curves(rows)
    names = list(dict.fromkeys(curve.control for curve in curves))
    figure = Figure(figsize=(4.2 * len(names), 3.9), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(names), squeeze=False)[0]
    for axis, control in zip(axes, names, strict=True):
        own = [curve for curve in curves if curve.control == control]
        (_draw_emotions if control == "emotion" else _draw_numbers)(axis, own)
        axis.set_title(TITLES[control], fontsize=10, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
        axis.set_xlabel("asked", fontsize=9)
        axis.legend(fontsize=8, frameon=False)
    axes[0].set_ylabel("re-measured from the frames", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    figure.savefig(part, format="png")
    part.replace(path)


def _bars(rows: Sequence[ResultRow]) -> list[list[float]]:
    return [
        [max(0.0, row.value - row.ci_low) for row in rows],
        [max(0.0, row.ci_high - row.value) for row in rows],
    ]


def _draw_numbers(axis: Any, curves: Sequence[AskedCurve]) -> None:
    wanted = [float(label) for label in curves[0].labels]
    ends = [min(wanted), max(wanted)]
    axis.plot(ends, ends, color=GREY, linestyle="--", linewidth=1, label="as asked")
    for curve, colour in zip(curves, COLOURS, strict=False):
        axis.errorbar(
            [float(label) for label in curve.labels],
            [row.value for row in curve.rows],
            yerr=_bars(curve.rows),
            color=colour,
            marker="o",
            markersize=4,
            capsize=2,
            label=f"lambda {curve.scale}",
        )


def _draw_emotions(axis: Any, curves: Sequence[AskedCurve]) -> None:
    width = 0.8 / (2 * len(curves))
    for number, (curve, colour) in enumerate(zip(curves, COLOURS, strict=False)):
        places = range(len(curve.rows))
        axis.bar(
            [place + 2 * number * width - 0.4 + width / 2 for place in places],
            [row.value for row in curve.rows],
            width,
            yerr=_bars(curve.rows),
            color=colour,
            error_kw={"linewidth": 1},
            label=f"lambda {curve.scale}",
        )
        axis.bar(
            [place + (2 * number + 1) * width - 0.4 + width / 2 for place in places],
            [float("nan") if row.control is None else row.control for row in curve.rows],
            width,
            color=GREY,
            label=None if number else "others asked",
        )
    axis.set_xticks(range(len(curves[0].labels)), curves[0].labels, rotation=45, ha="right")
