"""`ours` and `shuffled`: stage 1 and stage 2 with the clip's sound, and with another clip's."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.methods.method import Frames, clip_seed
from vasa.evaluation.talker import Talker


class Ours:
    """The source picture says the clip's sound.

    Args:
        talker: stage 1 and stage 2, loaded when the first video is made.
        num_samples: videos a clip.
        seed: of all samples.
        facts: networks and settings behind the talker.
    """

    name = "ours"

    def __init__(
        self, *, talker: Callable[[], Talker], num_samples: int, seed: int, facts: dict[str, Any]
    ) -> None:
        self.talker = talker
        self.num_samples = num_samples
        self.seed = seed
        self.facts = facts | {"seed": seed}

    def __call__(self, clip: EvaluationClip, /, *, sample: int) -> Frames:
        """See Method."""
        return Frames(frames=self._video(clip, clip.audio, sample))

    def _video(self, clip: EvaluationClip, sound: Tensor, sample: int) -> Tensor:
        return self.talker()(clip.source(), sound, clip_seed(self.seed, clip.key, sample))


class Shuffled(Ours):
    """The source picture says another clip's sound, and is scored against the clip's own.

    Args:
        sound_for: another clip's sound, by the key of the clip, `n` of any length.
        partners: whose sound that is, by key.
    """

    name = "shuffled"

    def __init__(
        self,
        *,
        sound_for: Callable[[str], Tensor],
        partners: dict[str, str],
        talker: Callable[[], Talker],
        seed: int,
        facts: dict[str, Any],
    ) -> None:
        super().__init__(
            talker=talker, num_samples=1, seed=seed, facts=facts | {"partners": partners}
        )
        self.sound_for = sound_for

    def __call__(self, clip: EvaluationClip, /, *, sample: int) -> Frames:
        """See Method."""
        other, wanted = self.sound_for(clip.key), len(clip.audio)
        repeats = -(-wanted // len(other))
        return Frames(frames=self._video(clip, other.repeat(repeats)[:wanted], sample))
