"""Methods side by side: each one's videos of the same clips, scored alike.

All numbers are re-measured from frames that went through one codec. A clip's number is the mean
over the method's samples, and the clip is the unit of intervals and tests. Fréchet distances are of
sets: see `distance_rows`. What is known to be better by construction says whether a score can be
trusted at all: see `method_ranking`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import nan
from typing import Any

from vasa.evaluation.measuring import REMEASURED
from vasa.evaluation.methods.videos import MethodReadings, Uncoded
from vasa.evaluation.paired import PairedDifference, paired_difference
from vasa.evaluation.protocols.distance_rows import REAL, DistanceKind, distance_rows
from vasa.evaluation.protocols.method_ranking import Unranked, nearest_rows, ranking_rows
from vasa.evaluation.protocols.method_scores import SCORES, ClipScore, MethodScores
from vasa.evaluation.results import Bootstrap, ResultRow

OURS = "ours"


def methods(
    *,
    readings: Sequence[MethodReadings],
    speakers: Mapping[str, str],
    split: str,
    weights: Mapping[str, str],
    distances: Sequence[DistanceKind],
    bootstrap: Bootstrap,
) -> list[ResultRow]:
    """Rows `methods/<method>/<name>`, their differences to ours, `ranking/<name>`, `reencoding/`.

    Args:
        readings: of every method's videos, those of real frames past the codec too.
        speakers: who is in each clip, by key.
        split: of the clips.
        weights: names of the networks whose weights are a scale, such as own:1a2b3c4d, by role.
        distances: the Fréchet distances that methods are given.
        bootstrap: how intervals are made.
    """
    real = next((one for one in readings if one.name == REAL), None)
    scores = {one.name: MethodScores.of(one, real=real) for one in readings}
    uncoded = scores.pop(Uncoded.name, None)
    rows: list[ResultRow] = []
    for name, one in scores.items():
        rows += _score_rows(name, one, scores.get(REAL), speakers, split, weights, bootstrap)
    by_method = {name: one.readings for name, one in scores.items()}
    far = distance_rows(by_method, distances, speakers=speakers, split=split)
    rows += far
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
    rows += nearest_rows(far)
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
