"""What every method is: something that gives frames, or motion of the source, for a clip."""

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from vasa.evaluation.clips import EvaluationClip


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Pictures as they are: uint8 `t c h w`, 25 fps."""

    frames: Tensor


@dataclass(frozen=True, kw_only=True)
class Motion:
    """[z_pose, z_dyn] `t m`, which stage 1 draws on the clip's source picture."""

    motion: Tensor


@dataclass(frozen=True, kw_only=True)
class Missing:
    """The method has nothing for this clip, and why."""

    reason: str


Performance = Frames | Motion | Missing


class Method(Protocol):
    """One row of the table.

    Attributes:
        name: of the row.
        num_samples: videos a clip; their scores are averaged.
        facts: all but the clip itself that its videos depend on, JSON values.
    """

    @property
    def name(self) -> str: ...

    @property
    def num_samples(self) -> int: ...

    @property
    def facts(self) -> dict[str, Any]: ...

    def __call__(self, clip: EvaluationClip, /, *, sample: int) -> Performance: ...


def clip_seed(seed: int, key: str, sample: int = 0) -> int:
    """A seed that a clip keeps in any list and order."""
    digest = hashlib.sha256(f"{seed} {sample} {key}".encode()).digest()
    return int.from_bytes(digest[:4], "big") // 2


def back_and_forth(num_frames: int, length: int) -> list[int]:
    """Indices of `length` frames out of `num_frames`, turning at both ends: no jumps."""
    way = [*range(num_frames), *range(num_frames - 2, 0, -1)]
    return [way[index % len(way)] for index in range(length)]
