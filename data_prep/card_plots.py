"""Histograms of what the index measures of each clip, small multiples by group."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from vasa.data.schema import FPS, SPLITS

COLOURS = ("#1f5fa8", "#d9822b", "#3c9d5d", "#8a4fa3", "#7a7f87")
FEWEST_BINS, MOST_BINS = 10, 36
TAIL = 0.005
"""Share of clips at either end that a histogram may leave out where nearly all clips are alike."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A column of the index as people read it.

    Attributes:
        column: its name.
        title: what it is.
        unit: shown unit, empty for plain numbers.
        factor: shown value over the stored one.
        step: shown distance of neighbouring values where they come in steps, else 0.
    """

    column: str
    title: str
    unit: str = ""
    factor: float = 1.0
    step: float = 0.0

    def values(self, index: pd.DataFrame) -> pd.Series:
        """Shown values, a row each; NaN where the clip was not measured."""
        if self.column not in index:
            return pd.Series(np.nan, index=index.index)
        numbers = pd.to_numeric(index[self.column], errors="coerce")
        stored = np.asarray(numbers, np.float64) * self.factor
        return pd.Series(np.where(np.isfinite(stored), stored, np.nan), index=index.index)

    def label(self) -> str:
        """Title and unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


@dataclass(frozen=True, kw_only=True)
class Group:
    """Measures that share a figure; `name` is its file's."""

    name: str
    title: str
    measures: tuple[Measure, ...]

    def present(self, index: pd.DataFrame) -> tuple[Measure, ...]:
        """Those that at least one clip has."""
        return tuple(m for m in self.measures if m.values(index).notna().any())


GROUPS = (
    Group(
        name="pose",
        title="Pose, gaze and distance",
        measures=(
            Measure(column="yaw_deg", title="Yaw, mean; > 0 to picture left", unit="degrees"),
            Measure(column="pitch_deg", title="Pitch, mean; > 0 down", unit="degrees"),
            Measure(column="roll_deg", title="Roll, mean; > 0 clockwise", unit="degrees"),
            Measure(column="gaze_theta_deg", title="Main gaze; > 0 left", unit="degrees"),
            Measure(column="gaze_phi_deg", title="Main gaze; > 0 down", unit="degrees"),
            Measure(column="head_distance", title="Head distance; 1 = at scale 1"),
        ),
    ),
    Group(
        name="picture",
        title="Length and picture",
        measures=(
            Measure(column="frames", title="Length", unit="s", factor=1 / FPS, step=1 / FPS),
            Measure(column="sharpness", title="Sharpness; higher is sharper"),
            Measure(column="blockiness", title="Blockiness; higher is blockier"),
            Measure(column="brightness", title="Brightness"),
            Measure(column="bits_per_pixel", title="Bits a pixel", unit="bit"),
            Measure(column="identity_spread", title="Identity spread within a clip"),
        ),
    ),
    Group(
        name="sound",
        title="Sound and sync",
        measures=(
            Measure(column="level_db", title="Sound level", unit="dB"),
            Measure(column="clipped_share", title="Clipped samples", unit="%", factor=100),
            Measure(column="speech_share", title="Time with speech", unit="%", factor=100),
            Measure(column="sync_offset_frames", title="Sync offset", unit="frames", step=1),
            Measure(column="sync_confidence", title="Sync confidence"),
        ),
    ),
)


def split_names(index: pd.DataFrame) -> list[str]:
    """The splits that the index has, in their usual order."""
    found = {str(name) for name in index["split"].unique()}
    return [name for name in SPLITS if name in found] + sorted(found - set(SPLITS))


def axis_limits(values: np.ndarray) -> tuple[float, float]:
    """Lowest and highest value that a histogram shows: a few odd clips must not squeeze the rest.

    Odd is what lies further outside of the middle 90 % than that is wide.

    Args:
        values: at least one, finite.
    """
    low, high = np.quantile(values, [0.05, 0.95])
    if high > low:
        near = values[(values >= 2 * low - high) & (values <= 2 * high - low)]
        return float(near.min()), float(near.max())
    low, high = np.quantile(values, [TAIL, 1 - TAIL])
    return float(low), float(high)


def bin_edges(values: np.ndarray, *, step: float, num_bins: int) -> np.ndarray:
    """Edges of about so many bins over the shown values; bins hold whole steps.

    Args:
        values: at least one, finite.
        step: distance of values that come in steps, else 0.
        num_bins: bins wanted.
    """
    low, high = axis_limits(values)
    if step:
        first, last = round(low / step), round(high / step)
        a_bin = max(1, -(-(last - first + 1) // num_bins))
        num = -(-(last - first + 1) // a_bin)
        # a lone value gets company, or its bar would fill the panel
        spare = max(0, 5 - num)
        first -= a_bin * (spare // 2)
        return (first - 0.5 + a_bin * np.arange(num + spare + 1)) * step
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-3):
        room = 0.05 * max(abs(low), 1.0)
        return np.linspace(low - room, high + room, 12)
    return np.linspace(low, high, num_bins + 1)


def _num_bins(num_clips: list[int]) -> int:
    """3 n^(1/3) for the smallest split: finer bins would show its noise."""
    return int(np.clip(round(3 * min(num_clips) ** (1 / 3)), FEWEST_BINS, MOST_BINS))


def histograms_png(index: pd.DataFrame, measures: Sequence[Measure]) -> bytes:
    """A panel a measure, a colour a split; heights are shares of a split's measured clips.

    Args:
        index: of the set.
        measures: at least one, each measured on some clip.

    Returns:
        A PNG; the same table gives the same bytes.
    """
    columns = min(3, len(measures))
    rows = -(-len(measures) // columns)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a person's own style must not change a set's card
        figure = Figure(figsize=(3.7 * columns, 2.5 * rows + 0.35), dpi=110, layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        splits = split_names(index)
        for panel, measure in zip(panels, measures, strict=False):
            _draw(panel, measure, index, splits)
        for panel in panels[len(measures) :]:
            panel.set_visible(False)
        for panel in panels[::columns]:
            panel.set_ylabel("% of the split's clips", fontsize=8)
        if len(splits) > 1:
            handles = [
                Patch(color=COLOURS[i % len(COLOURS)], label=name) for i, name in enumerate(splits)
            ]
            figure.legend(
                handles=handles, loc="outside upper left", ncols=6, fontsize=9, frameon=False
            )
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _draw(panel: Axes, measure: Measure, index: pd.DataFrame, splits: list[str]) -> None:
    values = measure.values(index)
    known = values.dropna().to_numpy()
    parts = [values[index["split"].astype(str) == split].dropna().to_numpy() for split in splits]
    num_bins = _num_bins([len(own) for own in parts if len(own)])
    edges = bin_edges(known, step=measure.step, num_bins=num_bins)
    for number, own in enumerate(parts):
        if not len(own):
            continue
        share = 100 * np.histogram(own, edges)[0] / len(own)
        colour = COLOURS[number % len(COLOURS)]
        panel.stairs(share, edges, fill=True, color=colour, alpha=0.32 if number == 0 else 0.12)
        panel.stairs(share, edges, color=colour, linewidth=1.3)
    beyond = int(((known < edges[0]) | (known > edges[-1])).sum())
    count = f"{len(known)} clips" + (f", {beyond} outside of the axis" if beyond else "")
    panel.set_title(measure.title, fontsize=9, loc="left", pad=15)
    panel.text(0, 1.02, count, transform=panel.transAxes, fontsize=7.5, color="#6e747e")
    panel.set_xlabel(measure.unit or "no unit", fontsize=8, labelpad=1)
    room = 0.02 * (edges[-1] - edges[0])
    panel.set_xlim(edges[0] - room, edges[-1] + room)
    panel.set_ylim(bottom=0)
    panel.tick_params(labelsize=8)
    panel.ticklabel_format(axis="x", useOffset=False)
    panel.locator_params(axis="x", nbins=6)
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(axis="y", color="#eceef1", linewidth=0.7)
    panel.set_axisbelow(True)
