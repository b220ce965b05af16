"""Pictures of a person that differ in one factor alone, as a protocol uses them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vasa.data.schema import FaceClip
from vasa.evaluation.clips import EvaluationClip, to_evaluation_clip

CounterfactualSource = Callable[[int, int, int], list[FaceClip]]
"""From the numbers of people, states and bases to a clip a person; the command line has one."""


@dataclass(frozen=True, kw_only=True)
class Counterfactuals:
    """A held-out person, drawn in independent states and with single factors changed.

    Attributes:
        clip: every picture with its truth.
        states: pictures whose factors are independent, `n`.
        bases: pictures that a factor is changed in, `b`.
        changed: by factor, the picture that differs from each base in it alone, `b`.
    """

    clip: EvaluationClip
    states: Tensor
    bases: Tensor
    changed: dict[str, Tensor]


def to_counterfactuals(clip: FaceClip, *, image_size_px: int) -> Counterfactuals:
    """Sorts the pictures of a clip by its `extra["changed"]` and `extra["base"]`."""
    roles: Sequence[str] = clip.extra["changed"]

    def places(role: str) -> Tensor:
        return torch.tensor([place for place, name in enumerate(roles) if name == role])

    bases = places("base")
    factors = [name for name in dict.fromkeys(roles) if name not in ("state", "base")]
    changed = {factor: places(factor) for factor in factors}
    for factor, indices in changed.items():
        stated = [clip.extra["base"][index] for index in indices]
        assert stated == bases.tolist(), f"one picture a base with another {factor}"
    return Counterfactuals(
        clip=to_evaluation_clip(clip, max_frames=len(clip.frames), image_size_px=image_size_px),
        states=places("state"),
        bases=bases,
        changed=changed,
    )
