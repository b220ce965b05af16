"""Methods side by side: each one's videos of the same clips, scored alike.

All numbers are re-measured from frames that went through one codec. A clip's number is the mean
over the method's samples, and the clip is the unit of intervals and tests. Fréchet distances are of
sets and have neither. What is known to be better by construction says whether a score can be
trusted at all: see `method_ranking`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import nan
from typing import Any

from vasa.evaluation.measuring import REMEASURED
from vasa.evaluation.methods.videos import MethodReadings, Uncoded
from vasa.evaluation.metrics.clip_metric import several
from vasa.evaluation.paired import PairedDifference, paired_difference
from vasa.evaluation.protocols.method_distances import frechet_frames, frechet_motion
from vasa.evaluation.protocols.method_ranking import Unranked, nearest_rows, ranking_rows
from vasa.evaluation.protocols.method_scores import SCORES, ClipScore, MethodScores
from vasa.evaluation.results import Bootstrap, ResultRow

OURS, REAL = "ours", "real"


def methods(
    *,
    readings: Sequence[MethodReadings],
    speakers: Mapping[str, str],
    split: str,
    weights: Mapping[str, str],
    features_name: str,
    motion_window_frames: int,
    bootstrap: Bootstrap,
) -> list[ResultRow]:
    """Rows `methods/<method>/<name>`, their differences to ours, `ranking/<name>`, `reencoding/`.

    Args:
        readings: of every method's videos, those of real frames past the codec too.
        speakers: who is in each clip, by key.
        split: of the clips.
        weights: names of the networks whose weights are a scale, such as own:1a2b3c4d, by role.
        features_name: whose features FD-frames compares.
        motion_window_frames: of FD-motion.
        bootstrap: how intervals are made.
    """
    real = next((one for one in readings if one.name == REAL), None)
    scores = {one.name: MethodScores.of(one, real=real) for one in readings}
    uncoded = scores.pop(Uncoded.name, None)
    rows: list[ResultRow] = []
    for name, one in scores.items():
        rows += _score_rows(name, one, scores.get(REAL), speakers, split, weights, bootstrap)
    distances = _distance_rows(scores, speakers, split, features_name, motion_window_frames)
    rows += distances
    for name, one in scores.items():
        if name != OURS and OURS in scores:
            rows += _difference_rows(
                f"methods/{name}",
                "_minus_ours",
                one,
                scores[OURS],
                speakers,
                split,
                weights,
                bootstrap,
            )
    by_clip = {name: one.by_clip for name, one in scores.items()}
    ranked = Unranked(by_clip=by_clip, speakers=speakers, split=split, bootstrap=bootstrap)
    rows += [_named(row, weights) for row in ranking_rows(ranked)]
    rows += nearest_rows(distances)
    if uncoded is not None and REAL in scores:
        rows += _difference_rows(
            "reencoding", "_change", scores[REAL], uncoded, speakers, split, weights, bootstrap
        )
    return rows


def _score_rows(
    name: str,
    one: MethodScores,
    real: MethodScores | None,
    speakers: Mapping[str, str],
    split: str,
    weights: Mapping[str, str],
    bootstrap: Bootstrap,
) -> list[ResultRow]:
    rows = []
    for score_name, score in SCORES.items():
        values = one.by_clip[score_name]
        if not values:
            continue
        beside = {} if real is None or name == REAL else real.by_clip[score_name]
        measured = score.mean_of(values.values())
        control = score.mean_of(beside.get(key, nan) for key in values)
        row = bootstrap.over(speakers[key] for key in values).row(
            metric=f"methods/{name}/{score_name}",
            measured=measured,
            control=control if control.num_scored else None,
            control_name="the same clips' real frames" if control.num_scored else "",
            split=split,
            unit=score.unit,
            note=score.note + _made(one.readings) + REMEASURED.replace("generated", "video's"),
            keep_clips=True,
        )
        rows.append(_named(row, weights))
    return rows


def _made(readings: MethodReadings) -> str:
    """How many samples a clip there are, and which clips are missing for what reason."""
    parts = []
    samples = {len(videos) for videos in readings.videos.values()}
    if samples and max(samples) > 1:
        parts.append(f"mean of {max(samples)} samples a clip; ")
    if readings.missing:
        reasons: dict[str, list[str]] = {}
        for key, reason in readings.missing.items():
            reasons.setdefault(reason, []).append(key)
        told = ", ".join(f"{len(keys)} {why} ({keys[0]})" for why, keys in reasons.items())
        total = len(readings.missing) + len(readings.videos)
        parts.append(f"{len(readings.missing)} of {total} clips not scored: {told}; ")
    return "".join(parts)


def _named(row: ResultRow, weights: Mapping[str, str], **stamp: Any) -> ResultRow:
    """The row with the name of the weights that its scale belongs to."""
    name = row.metric.rsplit("/", 1)[-1]
    role = next((one.role for start, one in SCORES.items() if name.startswith(start)), None)
    if role is not None and role in weights:
        stamp[role] = weights[role]
    return replace(row, stamp=row.stamp | stamp)


def _difference_rows(
    prefix: str,
    suffix: str,
    one: MethodScores,
    other: MethodScores,
    speakers: Mapping[str, str],
    split: str,
    weights: Mapping[str, str],
    bootstrap: Bootstrap,
) -> list[ResultRow]:
    rows = []
    for name, score in SCORES.items():
        keys = [key for key in one.by_clip[name] if key in other.by_clip[name]]
        if not keys:
            continue
        found = paired_difference(
            [one.by_clip[name][key] for key in keys],
            [other.by_clip[name][key] for key in keys],
            num_resamples=bootstrap.num_resamples,
            seed=bootstrap.seed,
            people=[speakers[key] for key in keys],
        )
        row = _difference_row(f"{prefix}/{name}{suffix}", found, score, split)
        rows.append(_named(row, weights, p_value=found.p_value))
    return rows


def _difference_row(
    metric: str, found: PairedDifference, score: ClipScore, split: str
) -> ResultRow:
    return ResultRow(
        metric=metric,
        value=found.mean,
        control=0.0,
        control_name="no difference",
        split=split,
        n=found.num_clips,
        unit=score.unit,
        higher_is_better=None if metric.startswith("reencoding") else score.higher_is_better,
        ci_low=found.ci_low,
        ci_high=found.ci_high,
        n_people=found.num_people,
        note=f"clip by clip; p {found.p_value:.2g} of a two-sided sign-flip test, not corrected "
        "for the number of comparisons",
    )


def _distance_rows(
    scores: Mapping[str, MethodScores],
    speakers: Mapping[str, str],
    split: str,
    features_name: str,
    window: int,
) -> list[ResultRow]:
    """Fréchet distances; none without real clips to compare with."""
    if REAL not in scores:
        return []
    real = scores[REAL].readings
    table = {
        "frechet_frames": (
            lambda one, two: frechet_frames(one, two, speakers=speakers),
            f"Fréchet distance of frames by features of {features_name}: the first halves of the "
            "videos against the second halves of the real clips and the other way round",
        ),
        "frechet_motion": (
            lambda one, two: frechet_motion(one, two, window_frames=window, speakers=speakers),
            f"Fréchet distance of {window}-frame windows of measured head, mouth, gaze and lids "
            "(head, gaze and mouth width less their mean over the video), over their spread in "
            "real clips: every other clip against the real ones of the rest",
        ),
    }
    rows = []
    for name, (distance, note) in table.items():
        floor = distance(real, real)
        for method, one in scores.items():
            found = floor if method == REAL else distance(one.readings, real)
            if found is None:
                continue
            rows.append(
                ResultRow(
                    metric=f"methods/{method}/{name}",
                    value=found.value,
                    control=None if method == REAL or floor is None else floor.value,
                    control_name="" if method == REAL else "real clips against real clips",
                    split=split,
                    n=len(one.readings.videos),
                    unit="FD(own features)" if name == "frechet_frames" else "FD(own)",
                    higher_is_better=False,
                    ci_low=found.ci_low,
                    ci_high=found.ci_high,
                    n_people=several([speakers[key] for key in one.readings.videos]),
                    note=note + "; the first sample of each clip; interval of a jackknife over "
                    "groups of clips; neither FID nor FVD",
                )
            )
    return rows
