"""Rows of Fréchet distances: each method's videos against real clips, whatever is compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vasa.evaluation.clip_features import FVD_FRAMES, ClipFeatures
from vasa.evaluation.frame_features import FrameFeatures
from vasa.evaluation.methods.videos import MethodReadings
from vasa.evaluation.protocols.method_distances import (
    Distance,
    fid,
    frechet_clips,
    frechet_frames,
    frechet_motion,
)
from vasa.evaluation.results import ResultRow

REAL = "real"
NO_USUAL_ROWS = (0, "")
VASA_ROWS = (2048, "VASA-1 (2K a side)")
FID_ROWS = (10_000, "FID's authors (Heusel et al. 2017)")
HALVES = (
    "the first halves of the videos against the second halves of the real clips and the other way "
    "round"
)


@dataclass(frozen=True, kw_only=True)
class DistanceKind:
    """One distance that all methods are given.

    Attributes:
        name: of the row, after the method's.
        of: a method's readings, the real clips' and who is in each clip to the distance; None where
            there are too few.
        unit: of the row.
        note: what meets what.
        stamp: whose features they are.
        usual_rows: under which the note says that there are few, and who takes as many.
    """

    name: str
    of: Callable[[MethodReadings, MethodReadings, Mapping[str, str]], Distance | None]
    unit: str
    note: str
    stamp: Mapping[str, str] = field(default_factory=dict)
    usual_rows: tuple[int, str] = NO_USUAL_ROWS


def frames_kind(features: FrameFeatures) -> DistanceKind:
    """`frechet_frames`: FD of those features, which is not FID."""
    return DistanceKind(
        name="frechet_frames",
        of=lambda one, real, speakers: frechet_frames(one, real, speakers=speakers),
        unit=features.unit,
        note=f"Fréchet distance of frames by features of {features.name}, which is not FID: "
        + HALVES,
        stamp={} if features.judge is None else {"features": features.judge},
    )


def motion_kind(window_frames: int) -> DistanceKind:
    """`frechet_motion`: FD of windows of what is measured of faces, which is not FVD."""
    return DistanceKind(
        name="frechet_motion",
        of=lambda one, real, speakers: frechet_motion(
            one, real, window_frames=window_frames, speakers=speakers
        ),
        unit="FD(own)",
        note=f"Fréchet distance of {window_frames}-frame windows of measured head, mouth, gaze and "
        "lids (head, gaze and mouth width less their mean over the video), over their spread in "
        "real clips, which is not FVD: every other clip against the real ones of the rest",
    )


def fid_kind(features: FrameFeatures) -> DistanceKind:
    """`fid`, of InceptionV3."""
    return DistanceKind(
        name="fid",
        of=lambda one, real, speakers: fid(one, real, speakers=speakers),
        unit=features.unit,
        note=f"FID of frames by {features.name} ({features.judge}): {HALVES}",
        stamp={"features": str(features.judge)},
        usual_rows=FID_ROWS,
    )


def fvd_kind(features: ClipFeatures, *, max_rows: int) -> DistanceKind:
    """`fvd_25`, of I3D."""

    def distance(
        one: MethodReadings, real: MethodReadings, speakers: Mapping[str, str]
    ) -> Distance | None:
        sides = [
            {key: videos[0].clips for key, videos in side.videos.items()} for side in (one, real)
        ]
        return frechet_clips(*sides, max_rows=max_rows, speakers=speakers)

    return DistanceKind(
        name="fvd_25",
        of=distance,
        unit="FVD",
        note=fvd_note(features),
        stamp={"features": features.judge},
        usual_rows=VASA_ROWS,
    )


def fvd_note(features: ClipFeatures) -> str:
    """What meets what."""
    return (
        f"FVD of {FVD_FRAMES}-frame clips by {features.name} ({features.judge}), drawn by seed "
        f"{features.seed}: clips of {HALVES}"
    )


def full_note(note: str, found: Distance, usual_rows: tuple[int, str]) -> str:
    """The note with how many rows met how many, and whether that is few."""
    parts = [f"{note}, {found.rows_text()}"]
    usual, whose = usual_rows
    if min(map(min, found.rows)) < usual:
        parts.append(
            f"fewer rows than the {usual:,} of {whose}, which makes it larger: it compares with "
            "distances of as many only"
        )
    if found.num_short:
        parts.append(f"{found.num_short} clips are too short and left out")
    parts += ["the first sample of each clip", "interval of a jackknife over groups of people"]
    return "; ".join(parts)


def distance_rows(
    readings: Mapping[str, MethodReadings],
    kinds: Sequence[DistanceKind],
    *,
    speakers: Mapping[str, str],
    split: str,
) -> list[ResultRow]:
    """Rows `methods/<method>/<name>`; none without real clips to compare with.

    Args:
        readings: of each method's videos, by name.
        kinds: which distances.
        speakers: who is in each clip, by key.
        split: of the clips.
    """
    if REAL not in readings:
        return []
    real, rows = readings[REAL], []
    for kind in kinds:
        floor = kind.of(real, real, speakers)
        for method, one in readings.items():
            found = floor if method == REAL else kind.of(one, real, speakers)
            if found is None:
                continue
            rows.append(
                ResultRow(
                    metric=f"methods/{method}/{kind.name}",
                    value=found.value,
                    control=None if method == REAL or floor is None else floor.value,
                    control_name="" if method == REAL else "real clips against real clips",
                    split=split,
                    n=found.num_clips,
                    n_people=found.num_people,
                    unit=kind.unit,
                    higher_is_better=False,
                    ci_low=found.ci_low,
                    ci_high=found.ci_high,
                    note=full_note(kind.note, found, kind.usual_rows),
                    stamp=dict(kind.stamp),
                )
            )
    return rows
