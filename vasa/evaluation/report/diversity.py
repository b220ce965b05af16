"""Bars of the rows `diversity/<part>_share` beside their controls."""

from collections.abc import Sequence
from pathlib import Path

from vasa.evaluation.results import ResultRow

PREFIX, SUFFIX = "diversity/", "_share"


def diversity_figure(path: Path, rows: Sequence[ResultRow]) -> None:
    """How far samples of one audio differ, part by part, and samples of different audio."""
    from matplotlib.figure import Figure

    shown = [row for row in rows if row.metric.startswith(PREFIX)]
    figure = Figure(figsize=(6.4, 3.4), dpi=110, layout="constrained")
    axis = figure.subplots()
    series = (
        ("one audio", "#1f5fa8", [(row.value, row.ci_low, row.ci_high) for row in shown]),
        (
            "different audio",
            "#8a8f98",
            [
                (row.control or 0.0, row.control_ci_low or 0.0, row.control_ci_high or 0.0)
                for row in shown
            ],
        ),
    )
    for number, (label, colour, values) in enumerate(series):
        axis.bar(
            [place + 0.38 * (number - 0.5) for place in range(len(shown))],
            [value for value, _, _ in values],
            0.36,
            yerr=[
                [max(0.0, value - low) for value, low, _ in values],
                [max(0.0, high - value) for value, _, high in values],
            ],
            color=colour,
            capsize=2,
            label=label,
        )
    axis.axhline(1, color="#8a8f98", linestyle="--", linewidth=1)
    names = [row.metric.removeprefix(PREFIX).removesuffix(SUFFIX) for row in shown]
    axis.set_xticks(range(len(shown)), names)
    axis.set_ylabel("variance between samples\nover variance over time", fontsize=9)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=9)
    axis.legend(fontsize=9, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    figure.savefig(part, format="png")
    part.replace(path)
