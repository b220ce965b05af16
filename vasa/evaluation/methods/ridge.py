"""`ridge`: motion as a linear function of the speech around each frame.

Fitted in closed form on training clips; the penalty is the one that does best on held-out people.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.methods.method import Motion
from vasa.evaluation.methods.motion_library import LibraryClip, MotionLibrary
from vasa.evaluation.methods.speech import SpeechWindows
from vasa.evaluation.metrics.probe import RidgeProbe, fit_probe


class Ridge:
    """Ridge regression from speech in its context to motion.

    Args:
        library: training clips, and those that the penalty is chosen on.
        speech: how speech is heard.
        facts: of the library.
    """

    name = "ridge"
    num_samples = 1

    def __init__(
        self,
        *,
        library: Callable[[], MotionLibrary],
        speech: SpeechWindows,
        facts: dict[str, Any],
    ) -> None:
        self.library = library
        self.speech = speech
        self.facts = facts | {"context_frames": speech.context_frames}

    @cached_property
    def probe(self) -> RidgeProbe:
        """The regression."""
        library = self.library()
        features, motion = self._pairs(library.train)
        held_out, truth = self._pairs(library.val)
        return fit_probe(features, motion, validation_features=held_out, validation_targets=truth)

    def _pairs(self, clips: Sequence[LibraryClip]) -> tuple[Tensor, Tensor]:
        heard = torch.cat([self.speech.in_context(clip.speech) for clip in clips])
        return heard, torch.cat([clip.motion for clip in clips])

    def __call__(self, clip: EvaluationClip, /, *, sample: int) -> Motion:
        """See Method."""
        frames = self.speech.frames(clip.audio)[: len(clip.frames)]
        return Motion(motion=self.probe(self.speech.in_context(frames)).float())
