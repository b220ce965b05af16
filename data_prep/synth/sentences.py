"""English sentences for the synthetic speakers: a small grammar over word lists, split before use.

A sentence's split is fixed by its rank in a seeded shuffle, so train, val and test never share one.
The words are chosen so that every mouth shape is frequent: lip closures, rounded and open vowels.
"""

from functools import cache

import numpy as np

SPLITS = ("train", "val", "test")
NUM_SENTENCES = 600
_SHARES = {"train": 0.8, "val": 0.06, "test": 0.14}

_PEOPLE = (
    "my mother", "the farmer", "Bob", "Pamela", "the old captain", "our baby", "a famous poet",
    "the woman", "every boy", "Oliver", "the baker", "my father", "the mayor", "Amanda",
    "a small robot", "the pilot", "her brother", "the lawyer", "Tom", "a young doctor",
)  # fmt: skip
_VERBS = (
    "moved", "wanted", "brought", "found", "painted", "opened", "watched", "bought", "forgot",
    "followed", "borrowed", "showed", "promised", "carried", "dropped", "remembered", "lost",
    "mopped", "walked past", "saw",
)  # fmt: skip
_THINGS = (
    "a purple balloon", "the open book", "some warm soup", "a box of apples", "the moon",
    "two wooden shoes", "a piano", "four blue marbles", "the front door", "a map of the harbour",
    "the garden wall", "a bar of soap", "five paper boats", "the whole cake", "a pot of coffee",
    "the waterfall", "an umbrella", "my favourite film", "the answer", "a very large dog",
)  # fmt: skip
_PLACES = (
    "before noon", "in the park", "by the river", "above the shop", "for the party",
    "at the farm", "tomorrow", "on a beautiful morning", "without a word", "in the middle of May",
    "after the war", "from the bottom", "behind the barn", "for a moment", "while we were asleep",
    "about an hour ago",
)  # fmt: skip
_QUESTIONS = (
    "How much would you pay for", "Where did you put", "Who took", "Why do we need",
    "When will you move", "Do you remember", "Have you ever painted", "Could you please open",
    "Would you bring me", "Are you afraid of",
)  # fmt: skip
_OPINIONS = (
    "I hope that", "We all know that", "They say that", "It is obvious that",
    "Nobody believed that", "I am happy that", "Maybe", "You may be sure that",
)  # fmt: skip


def _candidates() -> list[str]:
    made = []
    for i, who in enumerate(_PEOPLE):
        for j, what in enumerate(_THINGS):
            verb, place = (
                _VERBS[(3 * i + 7 * j) % len(_VERBS)],
                _PLACES[(5 * i + 3 * j) % len(_PLACES)],
            )
            made.append(f"{who} {verb} {what} {place}.")
            opinion = _OPINIONS[(i + 3 * j) % len(_OPINIONS)]
            made.append(f"{opinion} {who} {_VERBS[(i + 11 * j) % len(_VERBS)]} {what}.")
            question = _QUESTIONS[(i + 7 * j) % len(_QUESTIONS)]
            made.append(f"{question} {what} {place}?")
    return sorted({text[0].upper() + text[1:] for text in made})


@cache
def sentences(*, seed: int = 0) -> dict[str, tuple[tuple[int, str], ...]]:
    """All sentences by split.

    Returns:
        split -> ((sentence_id, text), ...); ids are unique over the splits.
    """
    candidates = _candidates()
    order = np.random.default_rng([seed, 23]).permutation(len(candidates))[:NUM_SENTENCES]
    chosen = [(int(rank), candidates[i]) for rank, i in enumerate(order)]
    first = round(_SHARES["train"] * NUM_SENTENCES)
    second = first + round(_SHARES["val"] * NUM_SENTENCES)
    return {
        "train": tuple(chosen[:first]),
        "val": tuple(chosen[first:second]),
        "test": tuple(chosen[second:]),
    }
