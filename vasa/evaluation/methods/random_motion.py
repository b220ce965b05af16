"""`random_motion`: the source moved as another person moved, who said something else."""

import random
from collections.abc import Callable, Sequence
from typing import Any

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.methods.method import Motion, back_and_forth, clip_seed
from vasa.evaluation.methods.motion_library import LibraryClip


class RandomMotion:
    """Motion of a random training clip, of its longest run of tracked frames.

    It is not that of a held-out clip: the set's own motion, only handed round, would have the very
    distribution that Fréchet distances ask for.

    Args:
        library: training clips.
        seed: of the choice.
        facts: of the library.
    """

    name = "random_motion"
    num_samples = 1

    def __init__(
        self, *, library: Callable[[], Sequence[LibraryClip]], seed: int, facts: dict[str, Any]
    ) -> None:
        self.library = library
        self.seed = seed
        self.facts = facts | {"seed": seed}

    def __call__(self, clip: EvaluationClip, /, *, sample: int) -> Motion:
        """See Method."""
        known = [other for other in self.library() if other.key != clip.key]
        other = random.Random(clip_seed(self.seed, clip.key, sample)).choice(known)
        motion = other.longest_run()
        return Motion(motion=motion[back_and_forth(len(motion), len(clip.frames))])
