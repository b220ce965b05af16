"""Fréchet distance of two sets of features, each taken for a Gaussian.

    d = |mu_1 - mu_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2))

With features of InceptionV3 this is FID (Heusel et al. 2017), with those of I3D it is FVD
(Unterthiner et al. 2018); with any other features it has no published scale, grows as features are
multiplied, and is to be named after them. Few rows make it larger than it is, so that only sets of
the same number of rows compare. Shapes: n, m rows, d features.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from vasa.evaluation.metrics.rows import RowsMetric
from vasa.types import InputError

MIN_ROWS = 2


@dataclass(frozen=True, kw_only=True)
class Gaussian:
    """N(mean, root^T root): mean `d`; root `k d`, which needs no full rank."""

    mean: Tensor
    root: Tensor


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """Fréchet distance of the Gaussians through two sets of rows; also where n < d.

    Args:
        first: `n d`, two rows or more.
        second: `m d`.

    Returns:
        0 or more, lower is nearer, in the features' squared unit.

    Raises:
        InputError: under two rows, other than `n d`, or a number that is not finite.
    """
    for features in (first, second):
        _check(features)
    if first.shape[1] != second.shape[1]:
        raise InputError(
            f"expected two sets of the same features, got {first.shape[1]} and {second.shape[1]} "
            "columns; take both from one network"
        )
    return _distance(_gaussian_of_rows(first), _gaussian_of_rows(second))


class FrechetDistance(RowsMetric):
    """`frechet_distance` of real and generated features, row by row.

    Range: 0 up, lower is better; in the features' squared unit. Source: Dowson and Landau 1982; FID
    of Heusel et al. 2017 and FVD of Unterthiner et al. 2018 where the features are theirs.
    """

    higher_is_better = False

    real: list[Tensor]
    fake: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for kind in ("real", "fake"):
            self.add_state(kind, default=[], dist_reduce_fx="cat")

    def update(self, features: Tensor, *, is_real: bool) -> None:
        """Adds rows `n d` (one is enough) to the real ones or to the generated ones.

        Raises:
            InputError: another number of columns, or a number that is not finite.
        """
        _check(features, min_rows=1)
        width = next((rows.shape[1] for rows in (*self.real, *self.fake)), features.shape[1])
        if features.shape[1] != width:
            raise InputError(
                f"expected {width} features a row, got {features.shape[1]}; take all from one "
                "network"
            )
        (self.real if is_real else self.fake).append(features.detach().cpu().double())

    def compute(self) -> Tensor:
        """The distance.

        Raises:
            InputError: under two rows of a kind.
        """
        if not (self.real and self.fake):
            raise InputError(_too_few(0))
        distance = frechet_distance(torch.cat(list(self.real)), torch.cat(list(self.fake)))
        return torch.tensor(distance, dtype=torch.float64)


def _gaussian_of_rows(features: Tensor) -> Gaussian:
    rows = features.detach().cpu().double()
    mean = rows.mean(dim=0)
    _, values, axes = torch.linalg.svd(rows - mean, full_matrices=False)
    return Gaussian(mean=mean, root=values[:, None] * axes / (len(rows) - 1) ** 0.5)


def _distance(first: Gaussian, second: Gaussian) -> float:
    # tr (S_1 S_2)^(1/2) is the sum of the singular values of root_1 root_2^T: no root of a product
    # of singular matrices, whose rounding errors would be as large as small distances.
    shared = torch.linalg.svdvals(first.root @ second.root.T).sum()
    spread = first.root.square().sum() + second.root.square().sum() - 2 * shared
    distance = (first.mean - second.mean).square().sum() + spread
    return float(distance.clamp(min=0))


def _check(features: Tensor, *, min_rows: int = MIN_ROWS) -> None:
    if features.ndim != 2:
        raise InputError(
            f"expected features of shape (rows, features), got {tuple(features.shape)}; flatten "
            "what belongs to one row"
        )
    if len(features) < min_rows:
        raise InputError(_too_few(len(features)))
    if not features.isfinite().all():
        count = int((~features.isfinite()).sum())
        raise InputError(
            f"expected finite features, got {count} of {features.numel()} that are not; look for "
            "empty clips or a network that overflows"
        )


def _too_few(count: int) -> str:
    return (
        f"expected {MIN_ROWS} rows or more to tell a spread, got {count}; take more clips or "
        "shorter windows"
    )
