"""A made-up clip for every metric, and what makes it worse: a shift, a blur, a shuffle, a swap."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize, one_hot
from torchmetrics import Metric

import vasa.evaluation.metrics as package
from vasa.evaluation.metrics.blink import BlinkRate
from vasa.evaluation.metrics.capp import CappScore
from vasa.evaluation.metrics.clip_metric import MeanOverClips, ShareOfFrames
from vasa.evaluation.metrics.closure import ClosureRate
from vasa.evaluation.metrics.control import DistanceError, EmotionError, GazeError, ObeyedShare
from vasa.evaluation.metrics.correlation import (
    ClipCorrelation,
    PooledCorrelation,
    VectorCorrelation,
)
from vasa.evaluation.metrics.diversity import DiversityShare
from vasa.evaluation.metrics.frechet import FrechetDistance
from vasa.evaluation.metrics.identity import IdentitySimilarity
from vasa.evaluation.metrics.image import Psnr, Ssim
from vasa.evaluation.metrics.landmarks import LandmarkNme, LipDistance, MouthVelocityError
from vasa.evaluation.metrics.lpips import LpipsDistance
from vasa.evaluation.metrics.motion import Jitter, MotionSpread, PoseVariation
from vasa.evaluation.metrics.perceptual import PerceptualDistance
from vasa.evaluation.metrics.pose import AngleError, PoseError
from vasa.evaluation.metrics.probe import R2, OneHotR2
from vasa.evaluation.metrics.ratio import DeviationInSpreads, RatioOfSums
from vasa.evaluation.metrics.sync import SyncConfidence, SyncDistance, SyncOffsetAccuracy
from vasa.evaluation.metrics.transfer import TransferShare
from vasa.models.sync_score import SyncResult

FRAMES = 40
Given = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One metric.

    Attributes:
        make: the metric.
        clip: arguments of `update` of clip number `seed`, which is good.
        perturbed: the same, perturbed.
        rises: whether the value goes up with the perturbation.
        perturbation: what it is.
    """

    make: Callable[[], Metric]
    clip: Callable[[int], Given]
    perturbed: Callable[[int], Given]
    rises: bool
    perturbation: str

    def add(self, metric: Metric, given: Given) -> None:
        """Gives a clip to a metric of the case."""
        if isinstance(metric, FrechetDistance):
            metric.update(given[0], is_real=True)
            metric.update(given[1], is_real=False)
        else:
            metric.update(*given)

    def of(self, clips: list[Given]) -> Metric:
        """A metric of clips."""
        metric = self.make()
        for given in clips:
            self.add(metric, given)
        return metric


def noise(seed: int, *shape: int) -> Tensor:
    """Standard normal, float64."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _picture(seed: int) -> Tensor:
    return torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def _near(rows: Tensor, seed: int, size: float) -> Tensor:
    return rows + size * noise(1000 + seed, *rows.shape)


def _shuffled(rows: Tensor) -> Tensor:
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(5))
    return rows[order]


def _blurred(pictures: Tensor) -> Tensor:
    return avg_pool2d(pictures, 5, stride=1, padding=2, count_include_pad=False)


def _pair(shape: tuple[int, ...], change: Callable[[Tensor], Tensor], size: float = 0.1):
    """A noisy result beside its target, and the result changed."""

    def clip(seed: int) -> Given:
        return _near(noise(seed, *shape), seed, size), noise(seed, *shape)

    def perturbed(seed: int) -> Given:
        result, target = clip(seed)
        return change(result), target

    return clip, perturbed


def _case(
    make: Callable[[], Metric],
    both: tuple[Callable[[int], Given], Callable[[int], Given]],
    perturbation: str,
    *,
    rises: bool,
) -> Case:
    return Case(make=make, clip=both[0], perturbed=both[1], rises=rises, perturbation=perturbation)


def _single(make: Callable[[int], Tensor], change: Callable[[Tensor], Tensor]):
    return lambda seed: (make(seed),), lambda seed: (change(make(seed)),)


def _walk(seed: int, *shape: int) -> Tensor:
    return 0.05 * noise(seed, FRAMES, *shape).cumsum(dim=0)


def _sync(seed: int, *, fits: float, late: int = 0) -> Given:
    distances = 1.2 + 0.02 * noise(seed, 31)
    distances[15 + late] -= fits
    return (SyncResult(shift_distances=distances, max_shift=15),)


def _sounds(fits: float, late: int = 0):
    return (
        lambda seed: _sync(seed, fits=0.5 + 0.01 * seed),
        lambda seed: _sync(seed, fits=fits, late=late),
    )


def _person(seed: int, *, who: int) -> Tensor:
    return normalize(noise(who, 8) + 0.1 * noise(seed, FRAMES, 8), dim=-1)


def _closing(seed: int) -> Given:
    said = ["a"] * 6 + ["m"] * 2
    opening = 0.3 + 0.02 * noise(seed, FRAMES).abs()
    closed = torch.tensor([name == "m" for name in said * (FRAMES // 8)])
    opening[closed] = 0.0
    return opening, said * (FRAMES // 8)


def _named(seed: int, *, tells: float) -> Given:
    truth = one_hot(torch.arange(FRAMES) % 4).double()
    return tells * truth + (1 - tells) / 4 + 0.02 * noise(seed, FRAMES, 4), truth


CASES: dict[type, Case] = {
    BlinkRate: _case(
        lambda: BlinkRate(shut=0.5, opened=0.3, fps=25),
        _single(
            lambda seed: torch.sin(torch.arange(FRAMES) / (1 + seed % 3)).clamp(min=0),
            lambda blink: blink * 0.1,
        ),
        "the eyes stay open",
        rises=False,
    ),
    CappScore: _case(CappScore, _pair((FRAMES, 8), _shuffled), "shuffled sound", rises=False),
    ClipCorrelation: _case(
        ClipCorrelation, _pair((FRAMES,), _shuffled), "shuffled frames", rises=False
    ),
    PooledCorrelation: _case(
        PooledCorrelation, _pair((FRAMES,), _shuffled), "shuffled frames", rises=False
    ),
    VectorCorrelation: _case(
        VectorCorrelation, _pair((FRAMES, 3), _shuffled), "shuffled frames", rises=False
    ),
    R2: _case(R2, _pair((FRAMES, 3), _shuffled), "shuffled frames", rises=False),
    OneHotR2: _case(
        OneHotR2,
        (lambda seed: _named(seed, tells=0.0), lambda seed: _named(seed, tells=0.5)),
        "the code begins to tell the person",
        rises=True,
    ),
    ClosureRate: _case(
        lambda: ClosureRate(share=0.2, tolerance_frames=0),
        (_closing, lambda seed: (_closing(seed)[0].roll(3), _closing(seed)[1])),
        "lips late by three frames",
        rises=False,
    ),
    GazeError: _case(
        GazeError, _pair((5, 2), lambda gaze: gaze + 0.3, 0.01), "gaze shifted", rises=True
    ),
    DistanceError: _case(
        DistanceError, _pair((5,), lambda d: d + 0.2, 0.01), "head moved away", rises=True
    ),
    EmotionError: _case(
        EmotionError, _pair((5, 8), lambda e: e.roll(1, dims=1), 0.01), "other feelings", rises=True
    ),
    ObeyedShare: _case(
        ObeyedShare, _pair((5, 2), lambda seen: 0.5 * seen), "half of the change", rises=False
    ),
    TransferShare: _case(
        TransferShare, _pair((FRAMES, 2), _shuffled), "shuffled changes", rises=False
    ),
    DiversityShare: _case(
        DiversityShare,
        _single(lambda seed: noise(seed, 3, FRAMES, 2), lambda s: s[:1].repeat(3, 1, 1)),
        "all samples the same",
        rises=False,
    ),
    FrechetDistance: _case(
        FrechetDistance, _pair((FRAMES, 4), lambda rows: rows + 1), "features shifted", rises=True
    ),
    IdentitySimilarity: _case(
        IdentitySimilarity,
        (
            lambda seed: (_person(seed, who=seed), _person(seed + 50, who=seed)[0]),
            lambda seed: (_person(seed, who=seed + 1), _person(seed + 50, who=seed)[0]),
        ),
        "another person",
        rises=False,
    ),
    Psnr: _case(
        Psnr,
        (
            lambda seed: (0.99 * _picture(seed), _picture(seed)),
            lambda seed: (_blurred(_picture(seed)), _picture(seed)),
        ),
        "blur",
        rises=False,
    ),
    Ssim: _case(
        Ssim,
        (
            lambda seed: (0.99 * _picture(seed), _picture(seed)),
            lambda seed: (_blurred(_picture(seed)), _picture(seed)),
        ),
        "blur",
        rises=False,
    ),
    PerceptualDistance: _case(
        lambda: PerceptualDistance(features=lambda images: [images - 0.5], batch_size=2),
        (
            lambda seed: (0.99 * _picture(seed), _picture(seed)),
            lambda seed: (_blurred(_picture(seed)), _picture(seed)),
        ),
        "blur",
        rises=True,
    ),
    LpipsDistance: _case(
        lambda: LpipsDistance(
            distance=lambda one, other: (one - other).square().mean(dim=(1, 2, 3)), batch_size=2
        ),
        (
            lambda seed: (0.99 * _picture(seed), _picture(seed)),
            lambda seed: (_blurred(_picture(seed)), _picture(seed)),
        ),
        "blur",
        rises=True,
    ),
    LandmarkNme: _case(
        LandmarkNme, _pair((FRAMES, 68, 2), lambda points: points + 1), "points shifted", rises=True
    ),
    LipDistance: _case(
        LipDistance, _pair((FRAMES, 20, 2), lambda lips: lips + 0.5), "lips shifted", rises=True
    ),
    MouthVelocityError: _case(
        MouthVelocityError, _pair((FRAMES, 20, 2), _shuffled), "shuffled frames", rises=True
    ),
    PoseVariation: _case(
        PoseVariation,
        _single(lambda seed: _walk(seed, 6), lambda pose: pose[:1].expand_as(pose)),
        "a head that stands still",
        rises=False,
    ),
    Jitter: _case(
        Jitter,
        _single(lambda seed: _walk(seed, 3), lambda series: _near(series, 9, 0.1)),
        "trembling",
        rises=True,
    ),
    MotionSpread: _case(
        MotionSpread,
        _single(lambda seed: _walk(seed, 2), lambda series: 0.5 * series),
        "half of the movement",
        rises=False,
    ),
    PoseError: _case(
        PoseError, _pair((FRAMES, 6), lambda pose: pose + 0.2, 0.01), "head turned", rises=True
    ),
    AngleError: _case(
        lambda: AngleError(angle="pitch"),
        _pair((FRAMES, 6), lambda pose: pose + 0.2, 0.01),
        "head turned",
        rises=True,
    ),
    RatioOfSums: _case(
        RatioOfSums,
        (lambda seed: (1.0 + seed, 2.0 + seed), lambda seed: (0.5 + seed / 2, 2.0 + seed)),
        "half of the numerator",
        rises=False,
    ),
    DeviationInSpreads: _case(
        DeviationInSpreads,
        (lambda seed: (1.0 * seed, 0.9 * seed), lambda seed: (1.0 * seed + 3, 0.9 * seed)),
        "results shifted",
        rises=True,
    ),
    SyncConfidence: _case(SyncConfidence, _sounds(0.0), "sound that does not fit", rises=False),
    SyncDistance: _case(SyncDistance, _sounds(0.0), "sound that does not fit", rises=True),
    SyncOffsetAccuracy: _case(
        lambda: SyncOffsetAccuracy(tolerance_frames=1),
        _sounds(0.5, late=4),
        "sound shifted by four frames",
        rises=False,
    ),
    MeanOverClips: _case(
        MeanOverClips,
        _single(lambda seed: noise(seed, 1)[0], lambda value: value + 1),
        "numbers shifted",
        rises=True,
    ),
    ShareOfFrames: _case(
        ShareOfFrames,
        _single(
            lambda seed: noise(seed, FRAMES) > -1, lambda holds: holds & (torch.arange(FRAMES) > 19)
        ),
        "half of the frames fail",
        rises=False,
    ),
}


def metric_classes() -> list[type[Metric]]:
    """Every class of `vasa.evaluation.metrics` that can be made."""
    found = []
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            is_own = issubclass(kind, Metric) and kind.__module__ == module.name
            if is_own and not inspect.isabstract(kind):
                found.append(kind)
    return sorted(found, key=lambda kind: kind.__name__)
