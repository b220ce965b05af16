"""Runs of one stage in one figure, told apart by what differs."""

from collections.abc import Sequence
from dataclasses import dataclass

from vasa.evaluation.report.curves import Strand, overlaid_svg
from vasa.evaluation.report.differences import (
    Config,
    differing_keys,
    is_seed,
    short_names,
    shown_keys,
    value_text,
)
from vasa.evaluation.report.run_records import flat
from vasa.evaluation.report.runs import RunRecord

MOST_KEYS = 4


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """A figure of several runs.

    Attributes:
        title: the stage.
        runs: that are drawn.
        svg: the figure.
    """

    title: str
    runs: Sequence[RunRecord]
    svg: str


def overlays(runs: Sequence[RunRecord], labels: Sequence[str]) -> list[Overlay]:
    """A figure for each stage of which there are two runs or more, with the runs' labels."""
    found = []
    for stage, places in _by_stage(runs).items():
        strands = [Strand(label=labels[place], runs=[runs[place]]) for place in places]
        svg = overlaid_svg(strands) if len(places) > 1 else None
        if svg is not None:
            own = [runs[place] for place in places]
            found.append(Overlay(title=f"{stage}: {len(own)} runs", runs=own, svg=svg))
    return found


def run_labels(runs: Sequence[RunRecord]) -> list[str]:
    """`stage/name`, and what tells runs of one name apart."""
    labels = [run.name for run in runs]
    for places in _by_stage(runs).values():
        names = [runs[place].name for place in places]
        if len(set(names)) == len(names):
            continue
        details = _details([flat(runs[place].config) for place in places])
        for place, detail in zip(places, details, strict=True):
            labels[place] += f" {detail or runs[place].path.name}"
    repeated = {label for label in labels if labels.count(label) > 1}
    return [
        f"{label} ({run.path})" if label in repeated else label
        for run, label in zip(runs, labels, strict=True)
    ]


def _details(configs: Sequence[Config]) -> list[str]:
    """What differs, if few words say it; the parts' seeds follow the run's own."""
    keys = [key for key in differing_keys(configs) if key == "seed" or not is_seed(key)]
    shown = shown_keys(keys)
    if len(shown) > MOST_KEYS:
        return [""] * len(configs)
    titles = short_names(shown)
    return [
        ", ".join(f"{titles[key]}={value_text(config, key)}" for key in shown) for config in configs
    ]


def _by_stage(runs: Sequence[RunRecord]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for place, run in enumerate(runs):
        found.setdefault(str(run.config.get("stage", "?")), []).append(place)
    return found
