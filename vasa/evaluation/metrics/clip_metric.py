"""The base of every metric: additive statistics a clip, so that halves merge and clips resample.

A clip in which there is nothing to score (no usable frame, a truth that never varies) counts in no
mean, and the row's note says how many there were. A number that is not finite is a fault: it
raises.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import nan

import torch
from torch import Tensor

from vasa.evaluation.metrics.rows import RowsMetric


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A metric's value with its bootstrap interval.

    Attributes:
        value: of all clips.
        ci_low, ci_high: 95% interval.
        num_clips: clips behind it.
        num_empty: clips besides in which there was nothing to score.
        num_people: people in these clips, where clips of one of them are several.
    """

    value: float
    ci_low: float
    ci_high: float
    num_clips: int
    num_empty: int = 0
    num_people: int | None = None


class ClipMetric(RowsMetric):
    """A metric whose value is a function of statistics summed over clips.

    A subclass turns a clip into a vector of `k` statistics (`add_clip`) and says what their sum
    means (`reduce`). Frames of one clip are correlated, so the clip, not the frame, is resampled.
    """

    statistics: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("statistics", default=[], dist_reduce_fx="cat")

    def add_clip(self, statistics: Tensor) -> None:
        """Adds one clip's statistics `k`; all 0 for one in which there is nothing to score.

        Raises:
            ValueError: a number that is not finite.
        """
        statistics = statistics.detach().double().cpu()[None]
        if not statistics.isfinite().all():
            raise ValueError(
                f"{type(self).__name__} expected finite numbers of a clip, got "
                f"{statistics[0].tolist()}; look for a network that overflows or an empty series"
            )
        self.statistics.append(statistics)

    def add_empty(self) -> None:
        """Adds a clip in which there is nothing to score."""
        self.statistics.append(torch.zeros(1, 0, dtype=torch.float64))

    @contextmanager
    def one_unit(self) -> Iterator[None]:
        """All that is added inside counts as one clip, as a control made from many should.

        Where nothing is added the clip is empty.
        """
        start = len(self.statistics)
        yield
        added = self.statistics[start:]
        del self.statistics[start:]
        if added:
            self.statistics.append(_same_width(added).sum(dim=0, keepdim=True))
        else:
            self.add_empty()

    @staticmethod
    @abstractmethod
    def reduce(totals: Tensor) -> Tensor:
        """The metric's value `...` from statistics summed over clips, `... k`."""

    def stacked(self) -> Tensor:
        """The statistics of all clips so far, `clips k`; all 0 of an empty one."""
        if len(self.statistics) == 0:
            raise RuntimeError(f"{type(self).__name__} has seen no clip")
        return _same_width(self.statistics)

    @property
    def num_scored(self) -> int:
        """Clips that are not empty."""
        return int((self.stacked() != 0).any(dim=1).sum()) if self.statistics else 0

    def per_clip(self) -> Tensor:
        """The metric's value of each clip alone, `clips`; NaN where there was nothing to score."""
        return self._reduced(self.stacked())

    def compute(self) -> Tensor:
        """The metric's value of all clips; NaN where nothing in them could be scored."""
        return self._reduced(self.stacked().sum(dim=0))

    def _reduced(self, totals: Tensor) -> Tensor:
        return self.reduce(totals) if totals.shape[-1] else totals.new_full(totals.shape[:-1], nan)

    def estimate(
        self, *, num_resamples: int, seed: int, people: Sequence[str] | None = None
    ) -> Estimate:
        """Value and percentile bootstrap interval of 95% over clips, or over people.

        Args:
            num_resamples: draws.
            seed: of the draws.
            people: who is in each clip, in the order in which clips were added; clips of one are
                drawn together. None: every clip is another person, or nobody knows.
        """
        statistics = self.stacked()
        assert people is None or len(people) == len(statistics), (
            f"{len(statistics)} clips of {type(self).__name__} and {len(people)} people"
        )
        is_scored = (statistics != 0).any(dim=1)
        low, high = bootstrap_interval(
            statistics,
            reduce=self._reduced,
            num_resamples=num_resamples,
            seed=seed,
            people=people,
        )
        return Estimate(
            value=float(self._reduced(statistics.sum(dim=0))),
            ci_low=low,
            ci_high=high,
            num_clips=int(is_scored.sum()),
            num_empty=int((~is_scored).sum()),
            num_people=None
            if people is None
            else several([one for one, counts in zip(people, is_scored, strict=True) if counts]),
        )


class ClipMean(ClipMetric):
    """The mean over clips of one number a clip."""

    def add_value(self, value: Tensor) -> None:
        """Adds one clip's number (a scalar)."""
        value = value.detach().double().cpu().reshape(())
        self.add_clip(torch.stack((value, torch.ones((), dtype=torch.float64))))

    def add_frames(self, values: Tensor) -> None:
        """Adds the mean of one clip's numbers, `t`; a clip without any is left out."""
        if len(values):
            self.add_value(values.mean())
        else:
            self.add_empty()

    @staticmethod
    def reduce(totals: Tensor) -> Tensor:
        return totals[..., 0] / totals[..., 1]


class MeanOverClips(ClipMean):
    """Mean over clips of a number that has no metric of its own: a reading, another mean.

    Range: the number's; its direction is said by the row. Source: this project.
    """

    higher_is_better = None

    def update(self, value: Tensor) -> None:
        """Adds the number of one clip."""
        self.add_value(value)


class ShareOfFrames(ClipMean):
    """Share of a clip's frames in which something holds, mean over clips.

    Range: 0 to 1, higher is better. Source: this project; of named people it is the accuracy.
    """

    higher_is_better = True

    def update(self, holds: Tensor) -> None:
        """Adds one clip: where it holds, `t` bool."""
        self.add_frames(holds.double())


def bootstrap_interval(
    statistics: Tensor,
    *,
    reduce: Callable[[Tensor], Tensor],
    num_resamples: int,
    seed: int,
    people: Sequence[str] | None = None,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap interval of `reduce(sum over clips)` (Efron 1979).

    Several clips of one person are drawn together (the cluster bootstrap, Davison and Hinkley 1997
    sec. 3.8): they resemble each other, and drawn alone would feign more people than there are.

    Args:
        statistics: additive statistics, `clips k`.
        reduce: summed statistics `... k` to value `...`.
        num_resamples: draws with replacement of as many clips as there are.
        seed: of the draws.
        people: who is in each clip; None: every clip stands for itself.
        level: coverage.
    """
    if people is not None:
        statistics = by_person(statistics, people)
    generator = torch.Generator().manual_seed(seed)
    num_clips = len(statistics)
    draws = torch.randint(num_clips, (num_resamples, num_clips), generator=generator)
    values = reduce(statistics.double()[draws].sum(dim=1))
    values = values[~values.isnan()]
    if len(values) == 0:
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    low, high = torch.quantile(values, torch.tensor([tail, 1 - tail], dtype=torch.float64))
    return float(low), float(high)


def several(people: Sequence[str]) -> int | None:
    """How many people there are, where clips of one of them are several; else None."""
    num = len(set(people))
    return num if num < len(people) else None


def by_person(rows: Tensor, people: Sequence[str]) -> Tensor:
    """Sums of each person's rows `clips k`, in the order in which people first come."""
    place = {person: index for index, person in enumerate(dict.fromkeys(people))}
    index = torch.tensor([place[person] for person in people])
    return rows.new_zeros(len(place), *rows.shape[1:]).index_add(0, index, rows)


def _same_width(rows: Sequence[Tensor]) -> Tensor:
    """Rows one below the other, those of empty clips filled with 0."""
    width = max(row.shape[1] for row in rows)
    return torch.cat([row if row.shape[1] else row.new_zeros(len(row), width) for row in rows])
