"""Clips whose frames are states of their own: every factor independent of every other.

In a clip of someone talking, two frames differ little, and what differs goes together. Pairs of
such frames teach little of how far each factor alone changes a picture; pairs of these do. They
are for what looks at pictures only (face experts, stage 1): the sound is silence.
"""

from dataclasses import replace

import numpy as np

from data_prep.synth.clip import LICENCE, SOURCE, ClipSpec
from data_prep.synth.identity import Identity
from data_prep.synth.landmarks import landmarks
from data_prep.synth.render import Renderer
from data_prep.synth.state import EMOTIONS, FaceState, mouth_truth
from vasa.data.schema import FPS, SAMPLES_PER_FRAME, FaceClip, FaceLabels

TEST_RANGE_DEG = (22.0, 12.0, 9.0)
"""Largest yaw, pitch and roll of states that are measured on: inside of what any set shows."""
TRAIN_RANGE_DEG = (27.0, 16.0, 11.0)
"""The same of states that are trained on: as far as heads of talking clips turn."""


def draw_emotion(rng: np.random.Generator, *, feeling: int) -> np.ndarray:
    """Weights of the emotions, `8`, of which `feeling` is the strongest."""
    weights = np.zeros(len(EMOTIONS), np.float32)
    weights[feeling] = strength = rng.uniform(0.5, 0.9)
    weights[0] += 1.0 - strength
    return weights


def draw_state(
    rng: np.random.Generator,
    *,
    is_open: bool,
    range_deg: tuple[float, float, float] = TEST_RANGE_DEG,
) -> FaceState:
    """A state whose factors are independent of each other.

    Args:
        rng: the person's own generator.
        is_open: keeps the eyes open; otherwise a fifth of the states close them.
        range_deg: largest yaw, pitch and roll (deg).
    """
    lean = np.deg2rad(range_deg)
    place = rng.uniform([-0.04, 0.0, -0.04], [0.04, 0.06, 0.04])
    blink = rng.uniform(0.5, 1.0) if rng.uniform() < 0.2 else rng.uniform(0.0, 0.1)
    return FaceState(
        pose=np.concatenate([rng.uniform(-lean, lean), place]).astype(np.float32),
        opening=float(rng.uniform(0.0, 0.28)),
        stretch=float(rng.uniform(0.9, 1.1)),
        rounding=float(rng.uniform(0.0, 0.5)),
        gaze=rng.uniform([-0.45, -0.20], [0.45, 0.22]).astype(np.float32),
        blink=0.0 if is_open else float(blink),
        brow_raise=float(rng.uniform(-0.5, 0.8)),
        brow_frown=float(rng.uniform(0.0, 0.6)),
        emotion=draw_emotion(rng, feeling=int(rng.integers(len(EMOTIONS)))),
    )


def _mouth_details(rng: np.random.Generator, state: FaceState) -> FaceState:
    """Half of the states closed or with teeth, tucked lip and tongue as in speech."""
    if rng.uniform() < 0.2:
        return replace(state, opening=float(rng.uniform(0.0, 0.02)))
    if rng.uniform() < 0.4:
        teeth, tuck, tongue = rng.uniform(0.0, 1.0, 3) * (rng.uniform(size=3) < 0.4)
        return replace(state, teeth=float(teeth), tuck=float(tuck), tongue=float(tongue))
    return state


def drawn_faces(
    faces: list[tuple[Identity, FaceState]], *, size: int
) -> tuple[np.ndarray, FaceLabels]:
    """Pictures `t h w 3` of people in states, and the truth of each."""
    renderers: dict[int, Renderer] = {}
    frames, points = [], []
    for who, state in faces:
        if id(who) not in renderers:
            renderers[id(who)] = Renderer(who=who, size=size)
        renderer = renderers[id(who)]
        frames.append(renderer.render(state).image)
        points.append(landmarks(who=who, tables=renderer.tables, state=state, size=size))
    states = [state for _, state in faces]
    count = len(faces)
    return np.stack(frames), FaceLabels(
        landmarks=np.stack(points),
        pose=np.stack([state.pose for state in states]),
        gaze=np.stack([state.gaze for state in states]),
        blink=np.array([state.blink for state in states], np.float32),
        emotion=np.stack([state.emotion for state in states]),
        quality=np.ones(count, np.float32),
        valid=np.ones(count, bool),
        mouth=np.stack([mouth_truth(who, state) for who, state in faces]),
    )


def independent_clip(spec: ClipSpec) -> FaceClip:
    """One person in as many independent states as the clip has frames; silent."""
    rng = spec.generator(8)
    who = spec.identity()
    count = max(round(spec.seconds * FPS), 1)
    states = [
        _mouth_details(rng, draw_state(rng, is_open=False, range_deg=TRAIN_RANGE_DEG))
        for _ in range(count)
    ]
    frames, labels = drawn_faces([(who, state) for state in states], size=spec.size)
    return FaceClip(
        key=f"{spec.speaker}/independent/{spec.clip:03d}",
        speaker=spec.speaker,
        split=spec.split,
        source=SOURCE,
        licence=LICENCE,
        frames=frames,
        audio=np.zeros(count * SAMPLES_PER_FRAME, np.float32),
        labels=labels,
        extra={"identity": who.to_dict()},
    )
