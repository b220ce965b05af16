"""Gaze, distance and emotion as users write them, to what the motion model is told."""

import math
from collections.abc import Mapping
from typing import Any

from vasa.data.schema import EMOTIONS
from vasa.inference.windows import MotionControls
from vasa.types import InputError


def read_controls(*, gaze: Any, distance: Any, emotion: Any) -> MotionControls:
    """The controls of one video.

    Args:
        gaze: theta, phi in rad, or None.
        distance: "mean", a number above 0, or None.
        emotion: weights by name, or None.

    Raises:
        InputError: something else.
    """
    if gaze is not None and not (
        isinstance(gaze, (list, tuple)) and len(gaze) == 2 and all(map(_is_number, gaze))
    ):
        raise InputError(f"expected gaze=[theta,phi] in rad or null, got {gaze}")
    if distance not in (None, "mean") and not (_is_number(distance) and distance > 0):
        raise InputError(f"expected distance=mean, null or a number above 0, got {distance}")
    return MotionControls(
        gaze=None if gaze is None else (float(gaze[0]), float(gaze[1])),
        distance=distance,
        emotion=emotion_weights(emotion),
    )


def emotion_weights(named: Mapping[str, float] | None) -> tuple[float, ...] | None:
    """Weights of the eight emotions from those that are named; what is left over is neutral.

    Raises:
        InputError: unknown names, or weights below 0.
    """
    if named is None:
        return None
    if not (
        isinstance(named, Mapping)
        and set(named) <= set(EMOTIONS)
        and all(_is_number(weight) and weight >= 0 for weight in named.values())
    ):
        raise InputError(
            "expected emotion={NAME: WEIGHT} with weights from 0 and names of "
            f"{', '.join(EMOTIONS)}; got {named}"
        )
    weights = {name: float(named.get(name, 0.0)) for name in EMOTIONS}
    if "neutral" not in named:
        weights["neutral"] = max(0.0, 1 - sum(weights.values()))
    return tuple(weights.values())


def _is_number(value: Any) -> bool:
    is_real = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_real and math.isfinite(value)
