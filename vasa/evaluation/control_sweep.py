"""Asking one source for many values of a control, and reading off the frames what came.

All videos of a source say the same sentence from the same noise, so that they differ in what was
asked alone. Shapes: a asked values, t frames.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vasa.data.schema import EMOTIONS
from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.emotion_reader import EmotionReader
from vasa.evaluation.measuring import Instrument, measure
from vasa.evaluation.metrics.control import OPEN_EYES, seen_distance, seen_gaze
from vasa.evaluation.settings import ControlSettings
from vasa.evaluation.talker import Talker, Wish
from vasa.inference.windows import MotionControls
from vasa.types import FaceMeasurements

CONDITION = {
    "gaze_theta": "gaze",
    "gaze_phi": "gaze",
    "distance": "distance",
    "emotion": "emotion",
}
"""The condition that each control belongs to."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One value of one control; the others are as `vasa generate` leaves them.

    Attributes:
        control: of `CONDITION`.
        label: of the value.
        value: theta and phi (rad), the distance, or the weights of the eight emotions.
        controls: as the motion model is told.
    """

    control: str
    label: str
    value: tuple[float, ...]
    controls: MotionControls


@dataclass(frozen=True, kw_only=True)
class SweepReadings:
    """What the frames of one source show for each asked value.

    Attributes:
        gaze: main gaze, theta and phi in rad, `a 2`.
        distance: of the head over the mean, `a`.
        emotion: weights, `a 8`; NaN where nobody reads them.
        pictures: the first frame of each video from its middle on with open eyes, uint8 `a c h w`.
    """

    gaze: Tensor
    distance: Tensor
    emotion: Tensor
    pictures: Tensor

    def save(self, path: Path) -> None:
        """Writes an npz, aside and then in place."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        with part.open("wb") as file:
            np.savez_compressed(
                file, **{item.name: getattr(self, item.name).numpy() for item in fields(self)}
            )
        part.replace(path)

    @staticmethod
    def load(path: Path) -> "SweepReadings":
        """What `save` wrote."""
        with np.load(path) as arrays:
            return SweepReadings(**{name: torch.from_numpy(arrays[name]) for name in arrays.files})


def asked_values(settings: ControlSettings) -> list[Asked]:
    """All that is asked of each source."""

    def number(value: float) -> str:
        return f"{value:g}"

    def feeling(name: str) -> tuple[float, ...]:
        weight = settings.emotion_weight
        rest = {"neutral": 1 - weight}
        return tuple(rest.get(one, 0.0) + weight * (one == name) for one in EMOTIONS)

    gazes = [("gaze_theta", value, (value, 0.0)) for value in settings.gaze_theta]
    gazes += [("gaze_phi", value, (0.0, value)) for value in settings.gaze_phi]
    found = [
        Asked(control=name, label=number(v), value=gaze, controls=MotionControls(gaze=gaze))
        for name, v, gaze in gazes
    ]
    found += [
        Asked(
            control="distance",
            label=number(value),
            value=(value,),
            controls=MotionControls(distance=value),
        )
        for value in settings.distance
    ]
    found += [
        Asked(
            control="emotion",
            label=name,
            value=feeling(name),
            controls=MotionControls(emotion=feeling(name)),
        )
        for name in settings.emotions
    ]
    return found


def frame_emotion(reader: EmotionReader | None, images: Tensor, seen: FaceMeasurements) -> Tensor:
    """Mean weights of a video, `8`; NaN without a reader."""
    if reader is None:
        return torch.full((len(EMOTIONS),), torch.nan, dtype=torch.float64)
    return reader(images, seen).mean(dim=0)


def read_sweep(
    talker: Talker,
    clip: EvaluationClip,
    *,
    asked: Sequence[Asked],
    scale: float,
    guidance: Mapping[str, float],
    seed: int,
    start_frames: int,
    instrument: Instrument,
    reader: EmotionReader | None,
    batch_size: int,
) -> SweepReadings:
    """Makes and measures a video for each asked value.

    Args:
        talker: stage 1 and stage 2.
        clip: gives the picture and the sound.
        asked: what is asked of it.
        scale: lambda of the control that is asked for.
        guidance: lambdas of the others.
        seed: of all videos.
        start_frames: in which the head still comes from the source's pose, left out.
        instrument: the measuring expert.
        reader: of emotion; None: it is not asked for.
        batch_size: frames at once.
    """
    gazes, distances, emotions, pictures = [], [], [], []
    for one in asked:
        wish = Wish(
            controls=one.controls, guidance={**guidance, CONDITION[one.control]: float(scale)}
        )
        video = talker(clip.source(), clip.audio, seed, wish)
        video = video[min(start_frames, len(video) - 1) :]
        images = video.float() / 255
        seen = measure(instrument, images, batch_size=batch_size)
        gazes.append(seen_gaze(seen))
        distances.append(seen_distance(seen))
        emotions.append(frame_emotion(reader if one.control == "emotion" else None, images, seen))
        pictures.append(video[_shown(seen)])
    return SweepReadings(
        gaze=torch.stack(gazes),
        distance=torch.stack(distances),
        emotion=torch.stack(emotions),
        pictures=torch.stack(pictures),
    )


def _shown(seen: FaceMeasurements) -> int:
    middle = len(seen.blink) // 2
    is_open = (seen.blink[middle:] < OPEN_EYES).nonzero().flatten()
    return middle + (int(is_open[0]) if len(is_open) else 0)
