"""Several videos of one picture: how far they differ from each other, and over time.

Shapes: s samples, t frames, d components.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vasa.evaluation.measuring import Instrument, measure
from vasa.evaluation.talker import Talker
from vasa.models.face_expert import EYES
from vasa.types import FaceMeasurements

BROWS = slice(17, 27)


def face_parts(seen: FaceMeasurements) -> dict[str, Tensor]:
    """Series of each part, `t d`: lips and brows in eye distances, head and gaze in rad."""
    parts = {
        "lips": seen.mouth,
        "head": seen.pose[:, :3],
        "gaze": seen.gaze,
        "blink": seen.blink[:, None],
    }
    if seen.landmarks is not None:
        parts["brows"] = brow_height(seen.landmarks)[:, None]
    return {name: series.double() for name, series in parts.items()}


def brow_height(landmarks: Tensor) -> Tensor:
    """Mean height of the brows over the eyes, across the line of the eyes and over its length.

    Args:
        landmarks: iBUG-68, px, `t 68 2`.

    Returns:
        `t`.
    """
    left, right = (landmarks[:, eye].mean(dim=1) for eye in EYES)
    across = right - left
    size = across.norm(dim=1, keepdim=True).clamp(min=1e-6)
    up = torch.stack((across[:, 1], -across[:, 0]), dim=1) / size
    away = landmarks[:, BROWS].mean(dim=1) - (left + right) / 2
    return (away * up).sum(dim=1) / size[:, 0]


@dataclass(frozen=True, kw_only=True)
class SourceSamples:
    """Videos of one source as re-measured, by part, `s t d`.

    Attributes:
        same: of one audio.
        different: of as many other audios.
    """

    same: dict[str, Tensor]
    different: dict[str, Tensor]

    def save(self, path: Path) -> None:
        """Writes an npz, aside and then in place."""
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {f"same_{name}": series.numpy() for name, series in self.same.items()}
        arrays |= {f"different_{name}": part.numpy() for name, part in self.different.items()}
        part = path.with_name(path.name + ".part")
        with part.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        part.replace(path)

    @staticmethod
    def load(path: Path) -> "SourceSamples":
        """What `save` wrote."""
        with np.load(path) as arrays:
            loaded = {name: torch.from_numpy(arrays[name]) for name in arrays.files}

        def of(prefix: str) -> dict[str, Tensor]:
            return {
                name.removeprefix(prefix): series
                for name, series in loaded.items()
                if name.startswith(prefix)
            }

        return SourceSamples(same=of("same_"), different=of("different_"))


def source_samples(
    talker: Talker,
    picture: Tensor,
    *,
    sound: Tensor,
    other_sounds: Sequence[Tensor],
    seeds: Sequence[int],
    start_frames: int,
    instrument: Instrument,
    batch_size: int,
) -> SourceSamples:
    """Makes and measures videos of one picture.

    Args:
        talker: stage 1 and stage 2.
        picture: `c h w` in [0, 1].
        sound: that all samples say, `n`.
        other_sounds: as many others, one a sample of the control.
        seeds: one a sample; those of the control are the same.
        start_frames: in which all heads still come from the source's pose, left out.
        instrument: the measuring expert.
        batch_size: frames at once.
    """

    def parts(sounds: Sequence[Tensor]) -> dict[str, Tensor]:
        pairs = zip(sounds, seeds, strict=True)
        return measured_parts(
            [talker(picture, said, seed) for said, seed in pairs],
            start_frames=start_frames,
            instrument=instrument,
            batch_size=batch_size,
        )

    return SourceSamples(same=parts([sound] * len(seeds)), different=parts(other_sounds))


def measured_parts(
    videos: Sequence[Tensor], *, start_frames: int, instrument: Instrument, batch_size: int
) -> dict[str, Tensor]:
    """Parts of several videos over their common length, `s t d`.

    Args:
        videos: uint8 `t c h w` each.
        start_frames: in which all heads still come from the source's pose, left out.
        instrument: the measuring expert.
        batch_size: frames at once.
    """
    length = min(len(video) for video in videos)
    start = min(start_frames, max(0, length - 2))
    found = [
        face_parts(measure(instrument, video[start:length].float() / 255, batch_size=batch_size))
        for video in videos
    ]
    return {name: torch.stack([parts[name] for parts in found]) for name in found[0]}
