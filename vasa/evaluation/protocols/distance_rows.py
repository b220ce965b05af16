"""Rows of Fréchet distances: each method's videos against real clips, whatever is compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vasa.evaluation.frame_features import FrameFeatures
from vasa.evaluation.methods.videos import MethodReadings
from vasa.evaluation.protocols.method_distances import Distance, frechet_frames, frechet_motion
from vasa.evaluation.results import ResultRow

REAL = "real"
HALVES = (
    "the first halves of the videos against the second halves of the real clips and the other way "
    "round"
)


@dataclass(frozen=True, kw_only=True)
class DistanceKind:
    """One distance that all methods are given.

    Attributes:
        name: of the row, after the method's.
        of: a method's readings and the real clips' to the distance; None where there are too few.
        unit: of the row.
        note: what meets what.
        stamp: whose features they are.
    """

    name: str
    of: Callable[[MethodReadings, MethodReadings], Distance | None]
    unit: str
    note: str
    stamp: Mapping[str, str] = field(default_factory=dict)


def frames_kind(features: FrameFeatures) -> DistanceKind:
    """`frechet_frames`: FD of those features, which is not FID."""
    return DistanceKind(
        name="frechet_frames",
        of=frechet_frames,
        unit=features.unit,
        note=f"Fréchet distance of frames by features of {features.name}, which is not FID: "
        + HALVES,
        stamp={} if features.judge is None else {"features": features.judge},
    )


def motion_kind(window_frames: int) -> DistanceKind:
    """`frechet_motion`: FD of windows of what is measured of faces, which is not FVD."""
    return DistanceKind(
        name="frechet_motion",
        of=lambda one, real: frechet_motion(one, real, window_frames=window_frames),
        unit="FD(own)",
        note=f"Fréchet distance of {window_frames}-frame windows of measured head, mouth, gaze and "
        "lids (head, gaze and mouth width less their mean over the video), over their spread in "
        "real clips, which is not FVD: every other clip against the real ones of the rest",
    )


def distance_rows(
    readings: Mapping[str, MethodReadings], kinds: Sequence[DistanceKind], *, split: str
) -> list[ResultRow]:
    """Rows `methods/<method>/<name>`; none without real clips to compare with.

    Args:
        readings: of each method's videos, by name.
        kinds: which distances.
        split: of the clips.
    """
    if REAL not in readings:
        return []
    real, rows = readings[REAL], []
    for kind in kinds:
        floor = kind.of(real, real)
        for method, one in readings.items():
            found = floor if method == REAL else kind.of(one, real)
            if found is None:
                continue
            rows.append(
                ResultRow(
                    metric=f"methods/{method}/{kind.name}",
                    value=found.value,
                    control=None if method == REAL or floor is None else floor.value,
                    control_name="" if method == REAL else "real clips against real clips",
                    split=split,
                    n=len(one.videos),
                    unit=kind.unit,
                    higher_is_better=False,
                    ci_low=found.ci_low,
                    ci_high=found.ci_high,
                    note=f"{kind.note}, {found.rows_text()}; the first sample of each clip; "
                    "interval of a jackknife over groups of clips",
                    stamp=dict(kind.stamp),
                )
            )
    return rows
