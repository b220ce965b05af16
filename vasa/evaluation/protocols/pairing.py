"""Which clip is set against which: drivers of other people, truths of other sentences."""

from collections.abc import Callable, Sequence

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
    return unrelated_places(
        [clip.sentence_id for clip in clips], index, key=lambda: clips[index].key
    )


def unrelated_places(
    sentence_ids: Sequence[int], index: int, *, key: Callable[[], str]
) -> list[int]:
    """`unrelated` by what is said alone, -1 where it is not known; `key` names the clip."""
    own = sentence_ids[index]
    found = [
        other
        for other, said in enumerate(sentence_ids)
        if other != index and (own < 0 or said != own)
    ]
    if not found:
        raise InputError(f"expected held-out clips with another sentence than {key()}, found none")
    return found
