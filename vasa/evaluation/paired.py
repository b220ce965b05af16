"""Two methods on the same clips: by how much they differ, and could that be luck?"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vasa.evaluation.metrics.clip_metric import bootstrap_interval, by_person, several
from vasa.types import InputError

MAX_EXACT_CLIPS = 12
"""Up to so many clips all sign flips are tried rather than drawn."""


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """Mean of first - second over clips.

    Attributes:
        mean: in the scores' unit.
        ci_low, ci_high: 95% percentile bootstrap interval over clips.
        p_value: share of sign flips whose mean is as far from 0 or farther (two-sided); the least
            that it can be is 2 / 2^n for n clips up to 12, else 1 / (num_resamples + 1).
        num_clips: n.
        num_people: in these clips, where clips of one of them are several.
    """

    mean: float
    ci_low: float
    ci_high: float
    p_value: float
    num_clips: int
    num_people: int | None = None


def paired_difference(
    first: list[float],
    second: list[float],
    *,
    num_resamples: int,
    seed: int,
    people: Sequence[str] | None = None,
) -> PairedDifference:
    """First less second, clip by clip.

    If the two methods were one, each clip's difference would as often be positive as negative:
    the permutation test flips signs (Good 2005). The clip is the unit in test and interval; where
    clips of one person are several, the person is.

    Args:
        first: a score a clip.
        second: the other method's scores of the same clips in the same order.
        num_resamples: of the bootstrap, and sign flips where not all of them are tried.
        seed: of both.
        people: who is in each clip; None: every clip stands for itself.

    Raises:
        InputError: not the same number of clips, none at all, or a score that is not finite.
    """
    if len(first) != len(second) or not first:
        raise InputError(
            f"expected scores of the same clips, got {len(first)} and {len(second)}; score both "
            "methods on one list of clips"
        )
    difference = torch.tensor(first, dtype=torch.float64) - torch.tensor(
        second, dtype=torch.float64
    )
    if not difference.isfinite().all():
        places = (~difference.isfinite()).nonzero().flatten().tolist()
        raise InputError(
            f"expected finite scores, got none for clips {places[:5]}; leave these clips out of "
            "both methods"
        )
    low, high = bootstrap_interval(
        torch.stack((difference, torch.ones_like(difference)), dim=1),
        reduce=lambda totals: totals[..., 0] / totals[..., 1],
        num_resamples=num_resamples,
        seed=seed,
        people=people,
    )
    units = difference if people is None else by_person(difference, people)
    return PairedDifference(
        mean=float(difference.mean()),
        ci_low=low,
        ci_high=high,
        p_value=_sign_flip_p(units, num_resamples=num_resamples, seed=seed),
        num_clips=len(difference),
        num_people=None if people is None else several(people),
    )


def _sign_flip_p(units: Tensor, *, num_resamples: int, seed: int) -> float:
    """Two-sided; drawn flips count the observed one among them, so that p is never 0."""
    num_units = len(units)
    is_exact = num_units <= MAX_EXACT_CLIPS
    if is_exact:
        bits = torch.arange(2**num_units)[:, None] >> torch.arange(num_units)
        flips = bits & 1
    else:
        generator = torch.Generator().manual_seed(seed)
        flips = torch.randint(2, (num_resamples, num_units), generator=generator)
    sums = ((2.0 * flips - 1).double() @ units).abs()
    observed = units.sum().abs()
    # Flips that differ by rounding alone are ties.
    count = int((sums >= observed * (1 - 1e-9)).sum())
    return count / len(flips) if is_exact else (count + 1) / (num_resamples + 1)
