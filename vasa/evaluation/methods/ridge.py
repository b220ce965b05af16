"""`ridge`: motion as a linear function of the speech around each frame.

    m - mean m = W^T (s - mean s),   W = (S / n + alpha I)^-1 C / n

Means are a clip's own: at which level somebody speaks and holds the head is no matter of what is
said, and between few people it would drown what is. Each component of motion has the penalty that
does best on people who were left out. Shapes: t frames, k features, d components of motion,
a penalties.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.methods.method import Motion
from vasa.evaluation.methods.motion_library import LibraryClip
from vasa.evaluation.methods.speech import SpeechWindows
from vasa.evaluation.metrics.probe import DEFAULT_ALPHAS
from vasa.types import InputError


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Products of centred speech s and motion m, summed over frames.

    Attributes:
        count: frames.
        within: S = sum s s^T, `k k`.
        across: C = sum s m^T, `k d`.
        motion: sum m^2, `d`.
    """

    count: int
    within: Tensor
    across: Tensor
    motion: Tensor

    @staticmethod
    def of(speech: Tensor, motion: Tensor) -> "Moments":
        """Of one clip, `t k` and `t d`."""
        s, m = (rows.double() - rows.double().mean(dim=0) for rows in (speech, motion))
        return Moments(count=len(s), within=s.T @ s, across=s.T @ m, motion=(m * m).sum(dim=0))

    def __add__(self, other: "Moments") -> "Moments":
        return self._with(other, 1)

    def __sub__(self, other: "Moments") -> "Moments":
        return self._with(other, -1)

    def _with(self, other: "Moments", sign: int) -> "Moments":
        return Moments(
            count=self.count + sign * other.count,
            within=self.within + sign * other.within,
            across=self.across + sign * other.across,
            motion=self.motion + sign * other.motion,
        )

    def weights(self, alphas: Sequence[float]) -> Tensor:
        """W of each penalty, which is in units of a feature's variance, `a k d`."""
        std = (self.within.diagonal() / self.count).sqrt()
        scale = torch.where(std > 1e-8, 1 / std, 0.0)
        values, axes = torch.linalg.eigh(scale[:, None] * self.within * scale / self.count)
        turned = axes.T @ (scale[:, None] * self.across / self.count)
        penalised = values.clamp(min=0) + torch.tensor(alphas, dtype=torch.float64)[:, None]
        return scale[:, None] * (axes @ (turned / penalised[:, :, None]))

    def errors(self, weights: Tensor) -> Tensor:
        """Sums of squared errors of W `a k d` on these frames, `a d`."""
        explained = 2 * (weights * self.across).sum(dim=1)
        return self.motion - explained + (weights * (self.within @ weights)).sum(dim=1)


def fit_leaving_people_out(
    people: Mapping[str, Moments], *, num_folds: int, alphas: Sequence[float] = DEFAULT_ALPHAS
) -> Tensor:
    """W `k d` by k-fold cross-validation over people, a penalty for each component of motion.

    Args:
        people: at least two.
        num_folds: parts that people are left out in; as many as there are people at most.
        alphas: penalties.

    Raises:
        InputError: fewer than two people.
    """
    if len(people) < 2:
        raise InputError(
            f"expected training clips of two people or more for ridge, got {len(people)}; name a "
            "set with more in evaluation.methods.library, or leave ridge out"
        )
    names, moments = sorted(people), list(people.values())
    total = sum(moments[1:], start=moments[0])
    folds = min(num_folds, len(names))
    errors = torch.zeros(len(alphas), len(total.motion), dtype=torch.float64)
    for fold in range(folds):
        left_out = [people[name] for name in names[fold::folds]]
        held = sum(left_out[1:], start=left_out[0])
        errors += held.errors((total - held).weights(alphas))
    best = errors.argmin(dim=0)
    return total.weights(alphas)[best, :, torch.arange(len(best))].T


class Ridge:
    """Ridge regression from speech in its context to motion, tracked frames alone.

    Args:
        library: training clips.
        speech: how speech is heard.
        num_folds: of the choice of penalties.
        facts: of the library.
    """

    name = "ridge"
    num_samples = 1

    def __init__(
        self,
        *,
        library: Callable[[], Sequence[LibraryClip]],
        speech: SpeechWindows,
        num_folds: int,
        facts: dict[str, Any],
    ) -> None:
        self.library = library
        self.speech = speech
        self.num_folds = num_folds
        self.facts = facts | {"context_frames": speech.context_frames, "num_folds": num_folds}

    @cached_property
    def _fitted(self) -> tuple[Tensor, Tensor]:
        """W `k d`, and the mean motion of all clips, `d`."""
        people: dict[str, Moments] = {}
        total, count = 0.0, 0
        for clip in self.library():
            motion = clip.motion[clip.valid]
            one = Moments.of(self.speech.in_context(clip.speech)[clip.valid], motion)
            people[clip.speaker] = people[clip.speaker] + one if clip.speaker in people else one
            total, count = total + motion.double().sum(dim=0), count + len(motion)
        weights = fit_leaving_people_out(people, num_folds=self.num_folds)
        return weights, torch.as_tensor(total / count)

    def __call__(self, clip: EvaluationClip, /, *, sample: int) -> Motion:
        """See Method."""
        weights, level = self._fitted
        frames = self.speech.frames(clip.audio)[: len(clip.frames)]
        heard = self.speech.in_context(frames).double()
        return Motion(motion=((heard - heard.mean(dim=0)) @ weights + level).float())
