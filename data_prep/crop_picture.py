"""The picture that explains the steady crop, drawn with synthetic people and their exact labels.

python -m data_prep.crop_picture OUT.png
"""

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from data_prep.drawing import LEGEND, draw_labels, frame_labels
from data_prep.synth.clip import ClipSpec, make_clip
from data_prep.synth.landmarks import landmarks
from data_prep.synth.render import Renderer
from data_prep.synth.state import FaceState
from vasa.data.schema import REGIONS

SEED, PERSON = 0, 17
WIDE = 0.62
"""Head unit of the wide picture, in half pictures: what the crop is cut from."""
CROP_PX, WIDE_PX = 256, 512
PEOPLE = (5, 40, 52, 110, 227, 239)
CHIN = 8
"""The iBUG point at the tip of the chin."""
INK, LINE, ORIGIN = "#282c34", "#1f5fa8", "#c81e1e"


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How far a head reaches above and below its origin, in head units; both positive."""

    above: float
    below: float


def head_extent(regions: np.ndarray, points: np.ndarray) -> Extent:
    """Crown and chin of a head rendered at log scale 0 in the middle of its picture.

    Args:
        regions: label map of `REGIONS`, `h h`.
        points: landmarks in pixels, `68 2`.
    """
    half = len(regions) / 2
    covered = np.isin(regions, [REGIONS.index("skin"), REGIONS.index("hair")])
    crown = float(np.flatnonzero(covered.any(axis=1))[0])
    return Extent(above=1 - crown / half, below=float(points[CHIN, 1]) / half - 1)


def crop_picture() -> bytes:
    """The PNG: a wide picture with the square in it, the crop's measures, and a row of people."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        figure = Figure(figsize=(12, 8.9), dpi=96, facecolor="white")
        wide = figure.add_axes((0.02, 0.315, 0.425, 0.615))
        crop = figure.add_axes((0.515, 0.375, 0.355, 0.479))
        _draw_wide(wide)
        _draw_crop(crop)
        figure.text(
            0.02, 0.948, "In the footage: one square for the whole clip", fontsize=12, color=INK
        )
        figure.text(0.515, 0.948, "The crop, and its units", fontsize=12, color=INK)
        _draw_people(figure, top=0.245, width=0.96)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _straight(log_scale: float) -> np.ndarray:
    return np.array([0, 0, 0, 0, 0, log_scale], np.float32)


def _person() -> ClipSpec:
    return ClipSpec(split="train", person=PERSON, clip=0, size=CROP_PX, seconds=1.0, seed=SEED)


def _draw_wide(axes: Axes) -> None:
    pose = _straight(np.log(WIDE))
    who = _person().identity()
    image = Renderer(who=who, size=WIDE_PX, supersample=2).render(FaceState(pose=pose)).image
    axes.imshow(image, extent=(-1 / WIDE, 1 / WIDE, 1 / WIDE, -1 / WIDE))
    axes.add_patch(Rectangle((-1, -1), 2, 2, fill=False, edgecolor="white", linewidth=4))
    axes.add_patch(Rectangle((-1, -1), 2, 2, fill=False, edgecolor=LINE, linewidth=2))
    _origin(axes)
    axes.text(
        0,
        1.04,
        "side = 2 head units (median over the clip)",
        ha="center",
        va="top",
        fontsize=9.5,
        color="white",
        bbox={"facecolor": LINE, "edgecolor": "none", "pad": 3},
    )
    _note(axes, "centre = the head's origin: between\nthe ears, at the height of the nose bridge")
    axes.set_axis_off()


def _note(axes: Axes, text: str) -> None:
    axes.annotate(
        text,
        (0.03, -0.03),
        (-0.65, -1.5),
        fontsize=9.5,
        color=INK,
        va="top",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 3, "alpha": 0.92},
        arrowprops={"arrowstyle": "-", "color": ORIGIN, "linewidth": 1.4},
    )


def _origin(axes: Axes) -> None:
    axes.plot([-1, 1], [0, 0], color="white", linewidth=0.9, dashes=(4, 3), alpha=0.8)
    axes.plot([0, 0], [-1, 1], color="white", linewidth=0.9, dashes=(4, 3), alpha=0.8)
    axes.plot([0], [0], "o", markersize=7, color=ORIGIN, markeredgecolor="white")


def _draw_crop(axes: Axes) -> None:
    who, state = _person().identity(), FaceState(pose=_straight(0.0))
    renderer = Renderer(who=who, size=WIDE_PX, supersample=2)
    drawn = renderer.render(state)
    points = landmarks(who=who, tables=renderer.tables, state=state, size=WIDE_PX)
    reach = head_extent(drawn.regions, points)
    axes.imshow(drawn.image, extent=(-1, 1, 1, -1))
    _origin(axes)
    for spine in axes.spines.values():
        spine.set(color=LINE, linewidth=2)
    axes.autoscale(False)  # the measures stand outside of it
    axes.set_xticks([-1, -0.5, 0, 0.5, 1])
    axes.set_yticks([-1, -0.5, 0, 0.5, 1])
    axes.tick_params(labelsize=9)
    axes.set_xlabel("x in half crops (to the right)", fontsize=9.5)
    axes.set_ylabel("y in half crops (down)", fontsize=9.5, labelpad=1)
    _measure_line(axes, at=-1.0, to=-reach.above, text=f"above the crown\n{1 - reach.above:.2f}")
    _measure_line(axes, at=-reach.above, to=0.0, text=f"crown to origin\n{reach.above:.2f}")
    _measure_line(axes, at=0.0, to=reach.below, text=f"origin to chin\n{reach.below:.2f}")
    _measure_line(axes, at=reach.below, to=1.0, text=f"below the chin\n{1 - reach.below:.2f}")
    _arrow(axes, (0, -1.07), (1, -1.07), colour=LINE)
    unit = "1 head unit = half the side (log scale 0)"
    axes.text(0.5, -1.1, unit, ha="center", va="bottom", fontsize=9.5, color=LINE)


def _measure_line(axes: Axes, *, at: float, to: float, text: str) -> None:
    """A measured stretch beside the crop's right edge."""
    _arrow(axes, (1.08, at), (1.08, to), colour=INK)
    axes.plot([0.97, 1.12], [to, to], color=INK, linewidth=0.6, clip_on=False)
    axes.text(1.14, (at + to) / 2, text, va="center", fontsize=9, color=INK)


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], *, colour: str
) -> None:
    style = {"arrowstyle": "<->", "color": colour, "linewidth": 1.3, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", start, end, annotation_clip=False, arrowprops=style)


def _draw_people(figure: Figure, *, top: float, width: float) -> None:
    figure.text(
        0.02,
        top + 0.03,
        "Other people and poses in the same crop: it stays where it is while the head moves",
        fontsize=12,
        color=INK,
    )
    pictures = [_labelled(person) for person in PEOPLE]
    step = width / len(pictures)
    for number, picture in enumerate(pictures):
        axes = figure.add_axes((0.02 + number * step, top - 0.215, step - 0.008, 0.225))
        axes.imshow(picture)
        axes.set_axis_off()
    _legend(figure, LEGEND)


def _labelled(person: int) -> np.ndarray:
    """The frame of a clip in which the head is turned furthest, with its labels."""
    clip = make_clip(
        ClipSpec(split="train", person=person, clip=0, size=CROP_PX, seconds=3.0, seed=SEED)
    )
    turned = np.abs(clip.labels.pose[:, :3]).sum(axis=1) - clip.labels.blink
    frame = int(np.argmax(turned))
    return draw_labels(clip.frames[frame], frame_labels(clip.labels, frame), size=CROP_PX)


def _legend(figure: Figure, entries: Sequence[tuple[str, tuple[int, int, int]]]) -> None:
    for number, (word, colour) in enumerate(entries):
        x = (0.02, 0.125, 0.315, 0.445, 0.605)[number]
        shade = tuple(channel / 255 for channel in colour)
        figure.text(x, 0.008, "●", fontsize=11, color="#9a9fa8" if number == 0 else shade)
        figure.text(x + 0.016, 0.009, word, fontsize=9.5, color=INK)


def main() -> None:
    """Write the picture to the path given."""
    out = Path(sys.argv[1])
    data = crop_picture()
    part = out.with_name(out.name + ".part")
    part.write_bytes(data)
    part.replace(out)


if __name__ == "__main__":
    main()
