"""Histograms of the offsets that a SyncNet finds."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from vasa.evaluation.results import ResultRow
from vasa.evaluation.sync_offsets import OFFSETS, FoundOffsets
from vasa.models.sync_score import MAX_SHIFT_FRAMES

PREFIX, SUFFIX = "sync/", "_offset_accuracy"


def offsets_figure(path: Path, rows: Sequence[ResultRow]) -> None:
    """Share of clips by the offset found, a panel for real and for generated clips, if any.

    Args:
        path: of the png.
        rows: of which those `sync/<kind>_offset_accuracy` keep each clip's offsets.
    """
    found = {
        row.metric.removeprefix(PREFIX).removesuffix(SUFFIX): row
        for row in rows
        if row.metric.startswith(PREFIX) and OFFSETS in row.stamp
    }
    panels = {
        f"{kind} clips, SyncNet {row.stamp['syncnet']}": FoundOffsets(**row.stamp[OFFSETS])
        for kind, row in found.items()
    }
    if panels:
        draw_offset_panels(path, panels)


def draw_offset_panels(path: Path, panels: dict[str, FoundOffsets]) -> None:
    """A panel of `draw_offsets` each, one below the other, by title."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 2.1 * len(panels) + 0.4), dpi=110, layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (title, offsets) in zip(axes, panels.items(), strict=True):
        draw_offsets(axis, offsets)
        axis.set_title(f"{title} ({len(offsets.keys)} clips)", fontsize=9, loc="left")
        axis.set_ylabel("share of clips", fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    axes[-1].set_xlabel("offset found (frames; positive: the sound is late)", fontsize=8)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, ncols=3, fontsize=8, frameon=False, loc="outside upper right")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    figure.savefig(part, format="png")
    part.replace(path)


def draw_offsets(axis: Axes, offsets: FoundOffsets) -> None:
    """Bars of the offsets found; grey is another's sound, dotted where the sound truly is."""
    by = offsets.moved_by_frames
    series = (
        ("another's sound", "0.8", 0.0, 0.9, offsets.other_sound),
        ("as it is", "#1f5fa8", -0.2, 0.4, offsets.as_it_is),
        (f"sound {abs(by)} frames {'late' if by > 0 else 'early'}", "#d9822b", 0.2, 0.4,
         offsets.moved),
    )  # fmt: skip
    shifts = range(-MAX_SHIFT_FRAMES, MAX_SHIFT_FRAMES + 1)
    for label, colour, aside, width, found in series:
        shares = [found.count(shift) / max(1, len(found)) for shift in shifts]
        places = [shift + aside for shift in shifts]
        axis.bar(places, shares, width=width, color=colour, label=label)
    for truth in (0, by):
        axis.axvline(truth, color="0.3", linewidth=0.6, linestyle=":")
