"""How far samples of one audio differ at the same instant, over how far they move.

Shapes: s samples, t frames, d components.
"""

from dataclasses import dataclass

from torch import Tensor

from vasa.evaluation.metrics.ratio import ClipRatio


@dataclass(frozen=True, kw_only=True)
class SampleSpread:
    """Variances of one part over the samples of one source.

    Attributes:
        between: of samples at the same instant, mean over instants, summed over components.
        over_time: of instants in the same sample, mean over samples, summed over components.
    """

    between: float
    over_time: float


def sample_spread(series: Tensor) -> SampleSpread:
    """Variances of `s t d`; s and t at least 2."""
    return SampleSpread(
        between=float(series.var(dim=0).mean(dim=0).sum()),
        over_time=float(series.var(dim=1).mean(dim=0).sum()),
    )


class DiversityShare(ClipRatio):
    """Variance between samples at the same instant over the variance over time, pooled over clips.

    Range: 0 (all samples do the same) up; 1 where they have no more in common than two instants,
    above it where they differ in level too. Which way is better depends on the part: lips should
    agree, heads may differ. Source: this project.
    """

    higher_is_better = None

    def update(self, series: Tensor) -> None:
        """Adds one source: a part of its samples, `s t d`; s and t at least 2."""
        spread = sample_spread(series)
        self.add_ratio(spread.between, spread.over_time)
