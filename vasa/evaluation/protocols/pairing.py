"""Which clip is set against which: drivers of other people, truths of other sentences."""

from collections.abc import Sequence

from vasa.evaluation.clips import EvaluationClip
from vasa.types import InputError

SHUFFLED = "shuffled audio: every other clip's"
"""The control of a video against what `unrelated` clips say."""


def other_person(clips: Sequence[EvaluationClip], index: int) -> int:
    """The next clip in the circle that shows another person.

    Raises:
        InputError: all clips show one person.
    """
    for step in range(1, len(clips)):
        candidate = (index + step) % len(clips)
        if clips[candidate].speaker != clips[index].speaker:
            return candidate
    raise InputError(
        f"expected held-out clips of at least two people, got {len(clips)} clips of "
        f"{clips[index].speaker} alone"
    )


def unrelated(clips: Sequence[EvaluationClip], index: int) -> list[int]:
    """All clips that are another recording and, where it is known, another sentence.

    Every one of them is a control for clip `index`, so that a control is an average over all
    derangements rather than the luck of one shuffle.
    """
    own = clips[index].sentence_id
    found = [
        other
        for other, clip in enumerate(clips)
        if other != index and (own < 0 or clip.sentence_id != own)
    ]
    if not found:
        raise InputError(
            f"expected held-out clips with another sentence than {clips[index].key}, found none"
        )
    return found
