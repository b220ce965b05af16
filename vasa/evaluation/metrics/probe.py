"""Linear probes: what can be read off a code by a ridge regression, and what can not."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vasa.evaluation.metrics.clip_metric import ClipMetric

DEFAULT_ALPHAS = tuple(10.0**power for power in range(-4, 5))


@dataclass(frozen=True, kw_only=True)
class RidgeProbe:
    """y = (x - mean) / std @ weight + bias."""

    mean: Tensor
    std: Tensor
    weight: Tensor
    bias: Tensor
    alpha: float

    def __call__(self, features: Tensor) -> Tensor:
        """Predictions `n d` from features `n k`."""
        return (features.double() - self.mean) / self.std @ self.weight + self.bias


def fit_ridge(features: Tensor, targets: Tensor, *, alpha: float) -> RidgeProbe:
    """Ridge regression in closed form: W = (X^T X / n + alpha I)^-1 X^T Y / n.

    X is standardised and Y centred, so alpha is in units of a feature's variance and the bias is
    not punished. A feature that never varies is ignored.

    Args:
        features: `n k`.
        targets: `n d`.
        alpha: ridge penalty, above 0.
    """
    features, targets = features.double(), targets.double()
    mean = features.mean(dim=0)
    std = features.std(dim=0, correction=0)
    std = torch.where(std > 1e-8, std, torch.inf)
    x = (features - mean) / std
    bias = targets.mean(dim=0)
    gram = x.T @ x / len(x) + alpha * torch.eye(x.shape[1], dtype=x.dtype)
    weight = torch.linalg.solve(gram, x.T @ (targets - bias) / len(x))
    return RidgeProbe(mean=mean, std=std, weight=weight, bias=bias, alpha=alpha)


def r2_score(predictions: Tensor, targets: Tensor) -> Tensor:
    """1 - SSE / SST of each output, averaged over the outputs; both `n d`."""
    metric = R2()
    metric.update(predictions, targets)
    return metric.compute()


def fit_probe(
    features: Tensor,
    targets: Tensor,
    *,
    validation_features: Tensor,
    validation_targets: Tensor,
    alphas: tuple[float, ...] = DEFAULT_ALPHAS,
) -> RidgeProbe:
    """The ridge whose alpha has the best R2 on the validation part; shapes as in `fit_ridge`."""
    probes = [fit_ridge(features, targets, alpha=alpha) for alpha in alphas]
    scores = [r2_score(probe(validation_features), validation_targets) for probe in probes]
    return probes[int(torch.stack(scores).argmax())]


class R2(ClipMetric):
    """Coefficient of determination, pooled over clips, averaged over outputs.

    R2 = 1 - SSE / SST. Range: minus infinity to 1, 0 = no better than the mean of what is scored;
    whether higher is better depends on the factor: a code should hold some and not others. Source:
    Wright 1921; as a probe of codes Alain and Bengio 2017.
    """

    higher_is_better = None

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        """Adds one clip: `t d` twice."""
        predictions, targets = predictions.double(), targets.double()
        count = torch.full((targets.shape[1],), float(len(targets)), dtype=torch.float64)
        errors = ((predictions - targets) ** 2).sum(dim=0)
        moments = (count, errors, targets.sum(dim=0), (targets**2).sum(dim=0))
        self.add_clip(torch.cat(moments))

    @staticmethod
    def reduce(totals: Tensor) -> Tensor:
        count, errors, first, second = totals.chunk(4, dim=-1)
        spread = second - first**2 / count
        # An output that never varies in what was drawn can't be scored; the others still can.
        score = torch.where(spread > 1e-9, 1 - errors / spread.clamp(min=1e-9), torch.nan)
        return score.nanmean(dim=-1)


class OneHotR2(ClipMetric):
    """1 - SSE / SST of one-hot targets over all outputs together, pooled over clips.

    Range: minus infinity to 1, 0 = the uniform guess; lower is better where a code should not tell
    who it is (the row says so where it should). Source: this project.
    """

    higher_is_better = False

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        """Adds one clip: `t people` twice; SST is taken against the uniform guess."""
        uniform = 1 / targets.shape[1]
        self.add_clip(
            torch.stack((((predictions - targets) ** 2).sum(), ((targets - uniform) ** 2).sum()))
        )

    @staticmethod
    def reduce(totals: Tensor) -> Tensor:
        return 1 - totals[..., 0] / totals[..., 1]
