"""Pictures that differ in one factor alone, with the truth of each: what leakage is measured on.

A clip of a set shows factors that go together (a head that turns while its mouth speaks). Here a
person is drawn in states whose factors are independent, and again in the same state with a single
factor changed, so that whatever else moves in a network's answer is the network's.
"""

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from data_prep.synth.clip import LICENCE, PERSON_OFFSET, SOURCE, ClipSpec
from data_prep.synth.identity import sample_identity
from data_prep.synth.independent import draw_emotion, draw_state, drawn_faces
from data_prep.synth.state import EMOTIONS, FaceState
from vasa.data.remote import ShardRoot, open_shards
from vasa.data.schema import SAMPLES_PER_FRAME, FaceClip
from vasa.types import InputError

FACTORS = ("identity", "yaw", "pitch", "roll", "mouth", "blink", "gaze", "brows", "emotion")
_ANGLES = {"yaw": 0, "pitch": 1, "roll": 2}
_STEP_DEG = ((12.0, 20.0), (7.0, 12.0), (6.0, 9.0))


def _away(rng: np.random.Generator, *, value: float, low: float, high: float, middle: float = 0.0):
    """`value`, moved by `low` to `high` towards and past the middle of its range."""
    return value - np.copysign(rng.uniform(low, high), value - middle)


def change(rng: np.random.Generator, state: FaceState, *, factor: str) -> FaceState:
    """The state with one factor changed by a good part of its range; identity is not of it."""
    if factor in _ANGLES:
        column = _ANGLES[factor]
        low, high = np.deg2rad(_STEP_DEG[column])
        pose = state.pose.copy()
        pose[column] = _away(rng, value=pose[column], low=low, high=high)
        return replace(state, pose=pose)
    if factor == "mouth":
        opening = _away(rng, value=state.opening, low=0.12, high=0.2, middle=0.14)
        return replace(state, opening=float(np.clip(opening, 0.0, 0.3)))
    if factor == "blink":
        return replace(state, blink=float(rng.uniform(0.6, 0.8)))
    if factor == "gaze":
        theta = _away(rng, value=state.gaze[0], low=0.3, high=0.5)
        phi = _away(rng, value=state.gaze[1], low=0.12, high=0.22)
        return replace(state, gaze=np.array([theta, phi], np.float32))
    if factor == "brows":
        raised = _away(rng, value=state.brow_raise, low=0.6, high=0.9, middle=0.15)
        frown = _away(rng, value=state.brow_frown, low=0.3, high=0.5, middle=0.3)
        return replace(state, brow_raise=float(raised), brow_frown=float(np.clip(frown, 0.0, 1.0)))
    assert factor == "emotion", f"no change of {factor!r}"
    feeling = int(np.argmax(state.emotion[1:])) + 1
    other = (feeling + int(rng.integers(1, len(EMOTIONS) - 1)) - 1) % (len(EMOTIONS) - 1) + 1
    return replace(state, emotion=draw_emotion(rng, feeling=other))


def counterfactual_clip(
    *, seed: int, person: int, size: int, num_states: int, num_bases: int
) -> FaceClip:
    """One held-out person's independent states, and bases with each factor changed alone.

    `extra["changed"]` says for each frame `state`, `base`, or the factor in which it differs from
    the frame `extra["base"]` (-1 for states). Where identity is changed, the next person stands in
    the base's state.

    Args:
        seed: of the set that the person belongs to.
        person: number within the test split.
        size: picture's height and width (px).
        num_states: independent states.
        num_bases: states that factors are changed in.
    """
    spec = ClipSpec(split="test", person=person, clip=0, size=size, seconds=1.0, seed=seed)
    rng = spec.generator(7)
    who = spec.identity()
    other = sample_identity(seed=seed, person=PERSON_OFFSET["test"] + person + 1)
    faces = [(who, draw_state(rng, is_open=False)) for _ in range(num_states)]
    changed, base_of = ["state"] * num_states, [-1] * num_states
    for _ in range(num_bases):
        base, at = draw_state(rng, is_open=True), len(faces)
        faces.append((who, base))
        for factor in FACTORS:
            if factor == "identity":
                faces.append((other, base))
            else:
                faces.append((who, change(rng, base, factor=factor)))
        changed += ["base", *FACTORS]
        base_of += [at] * (1 + len(FACTORS))
    frames, labels = drawn_faces(faces, size=size)
    return FaceClip(
        key=f"{spec.speaker}/counterfactuals/000",
        speaker=spec.speaker,
        split=spec.split,
        source=SOURCE,
        licence=LICENCE,
        frames=frames,
        audio=np.zeros(len(frames) * SAMPLES_PER_FRAME, np.float32),
        labels=labels,
        extra={"changed": changed, "base": base_of},
    )


def counterfactual_source(
    data: Path | ShardRoot,
) -> Callable[[int, int, int], list[FaceClip]]:
    """Draws counterfactuals of held-out people of a synthetic set, when they are asked for.

    Args:
        data: the set; its `config.json` names seed and size.

    Returns:
        From the numbers of people, states and bases to a clip a person.
    """

    def draw(num_people: int, num_states: int, num_bases: int) -> list[FaceClip]:
        config = {}
        with contextlib.suppress(FileNotFoundError):
            config = json.loads(open_shards(data).read_file("config.json"))
        if not str(config.get("version", "")).startswith("synth-"):
            raise InputError(
                f"expected a set of `vasa synth` at {data}, whose factors can be changed one at a "
                "time; give one as data=, or leave the protocol disentanglement out"
            )
        return [
            counterfactual_clip(
                seed=config["seed"],
                person=person,
                size=config["size"],
                num_states=num_states,
                num_bases=num_bases,
            )
            for person in range(num_people)
        ]

    return draw
