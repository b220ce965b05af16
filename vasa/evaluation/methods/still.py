"""`still`: the source picture held for the whole clip, which no score may take for talking."""

from typing import Any

from einops import repeat

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.methods.method import Frames


class Still:
    """The source frame repeated."""

    name = "still"
    num_samples = 1
    facts: dict[str, Any] = {}

    def __call__(self, clip: EvaluationClip, /, *, sample: int) -> Frames:
        """See Method."""
        source = clip.frames[clip.source_index()]
        return Frames(frames=repeat(source, "c h w -> t c h w", t=len(clip.frames)).contiguous())
