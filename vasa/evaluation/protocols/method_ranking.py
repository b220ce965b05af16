"""Which scores can be believed: those that rank methods as these are known to be.

real > ours > retrieval and ridge > still and shuffled. That real clips lead is sure of people's
lips, not of a score of them: a score by which videos pass real ones is unfit to say how good these
videos are, whatever the reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vasa.evaluation.paired import PairedDifference, paired_difference
from vasa.evaluation.results import Bootstrap, ResultRow

ORDER = (("real",), ("ours",), ("retrieval", "ridge"), ("still", "shuffled"))
RANKED = {
    "sync_confidence": 1,
    "sync_distance": -1,
    "capp": 1,
    "mouth_correlation": 1,
    "lip_distance": -1,
    "lip_velocity_error": -1,
}
"""Scores that say how sound and face fit, and which way they go."""
AGAINST_REAL = ("lip_distance", "lip_velocity_error")
"""Scores whose reference are the real videos, which therefore have none."""


@dataclass(frozen=True, kw_only=True)
class Unranked:
    """What is to be ranked.

    Attributes:
        by_clip: by method and score, each clip's number.
        speakers: who is in each clip.
        split: of the clips.
        bootstrap: how intervals are made.
    """

    by_clip: Mapping[str, Mapping[str, Mapping[str, float]]]
    speakers: Mapping[str, str]
    split: str
    bootstrap: Bootstrap


def ranking_rows(unranked: Unranked) -> list[ResultRow]:
    """Rows `ranking/<name>`: 1 where the order holds, 0 where the score is unfit and why.

    A score is left out where no step of the order was scored.
    """
    rows = []
    for name, sign in RANKED.items():
        order = ORDER[1:] if name in AGAINST_REAL else ORDER
        pairs = {
            (better, worse): _difference(unranked, name, better, worse)
            for better, worse in expected_pairs(order)
        }
        known = {pair: found for pair, found in pairs.items() if found is not None}
        if not known:
            continue
        wrong = {pair: one for pair, one in known.items() if sign * one.mean <= 0}
        unsure = {
            pair: one
            for pair, one in known.items()
            if pair not in wrong and one.ci_low <= 0 <= one.ci_high
        }
        parts = [f"{len(known) - len(wrong)} of {len(known)} steps hold"]
        if wrong:
            parts.append("unfit at this size: " + _told(wrong, "does not lead"))
        if unsure:
            parts.append("within chance: " + _told(unsure, "leads"))
        if len(known) < len(pairs):
            parts.append(f"{len(pairs) - len(known)} steps not scored")
        rows.append(
            ResultRow(
                metric=f"ranking/{name}",
                value=float(not wrong),
                control=None,
                control_name="",
                split=unranked.split,
                n=min(one.num_clips for one in known.values()),
                unit="holds",
                higher_is_better=True,
                ci_low=float("nan"),
                ci_high=float("nan"),
                note=" > ".join(map(", ".join, order)) + "; " + "; ".join(parts),
            )
        )
    return rows


def nearest_rows(distances: Sequence[ResultRow]) -> list[ResultRow]:
    """Rows `ranking/<name>` of distances to real clips: 1 where real clips are nearest.

    Args:
        distances: rows `methods/<method>/<name>`; those of `real` are the floor.
    """
    rows = []
    for floor in (row for row in distances if row.metric.startswith("methods/real/")):
        name = floor.metric.rsplit("/", 1)[-1]
        others = [row for row in distances if row.metric.endswith(f"/{name}") and row != floor]
        if not others:
            continue
        nearer = [row for row in others if row.value <= floor.value]
        told = ", ".join(f"{row.metric.split('/')[1]} {row.value:.3g}" for row in nearer)
        verdict = f"unfit at this size: no farther than real clips ({floor.value:.3g}): {told}"
        rows.append(
            replace(
                floor,
                metric=f"ranking/{name}",
                value=float(not nearer),
                unit="holds",
                higher_is_better=True,
                note="real clips are nearer to real clips than any method; "
                + (verdict if nearer else f"{len(others)} of {len(others)} methods are farther"),
            )
        )
    return rows


def expected_pairs(order: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    """Each method with all of the next step."""
    return [
        (better, worse)
        for above, below in zip(order[:-1], order[1:], strict=True)
        for better in above
        for worse in below
    ]


def _difference(unranked: Unranked, name: str, better: str, worse: str) -> PairedDifference | None:
    first, second = (unranked.by_clip.get(one, {}).get(name, {}) for one in (better, worse))
    keys = [key for key in first if key in second]
    if not keys:
        return None
    return paired_difference(
        [first[key] for key in keys],
        [second[key] for key in keys],
        num_resamples=unranked.bootstrap.num_resamples,
        seed=unranked.bootstrap.seed,
        people=[unranked.speakers[key] for key in keys],
    )


def _told(pairs: Mapping[tuple[str, str], PairedDifference], verb: str) -> str:
    return ", ".join(
        f"{better} {verb} {worse} ({one.mean:+.3f}, {one.ci_low:+.3f} to {one.ci_high:+.3f})"
        for (better, worse), one in pairs.items()
    )
