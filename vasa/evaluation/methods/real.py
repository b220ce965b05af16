"""`real`: the clip's own frames, the level that a scorer gives to people."""

from typing import Any

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.methods.method import Frames


class Real:
    """The clip itself."""

    name = "real"
    num_samples = 1
    facts: dict[str, Any] = {}

    def __call__(self, clip: EvaluationClip, /, *, sample: int) -> Frames:
        """See Method."""
        return Frames(frames=clip.frames)
