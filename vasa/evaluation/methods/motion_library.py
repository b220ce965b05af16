"""Speech and motion of training clips, encoded once: what the constructed methods take from.

Shapes: t frames, f speech features, m motion.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.methods.speech import SpeechWindows
from vasa.evaluation.protocols.reenactment import Autoencoder, driver_motion


@dataclass(frozen=True, kw_only=True)
class LibraryClip:
    """One training clip.

    Attributes:
        key: of the clip.
        speaker: the person.
        speech: log-mel energies, `t f`.
        motion: [z_pose, z_dyn] as stage 1 sees it in the frames, `t m`.
    """

    key: str
    speaker: str
    speech: Tensor
    motion: Tensor


def library_clip(
    clip: EvaluationClip,
    *,
    autoencoder: Autoencoder,
    speech: SpeechWindows,
    batch_size: int,
    folder: Path,
) -> LibraryClip:
    """A clip's speech and motion; what `folder` holds of it is not encoded again."""
    path = folder / f"{hashlib.sha256(clip.key.encode()).hexdigest()[:16]}.npz"
    if not path.is_file():
        z_pose, z_dyn = driver_motion(autoencoder, clip.images(), batch_size=batch_size)
        motion = torch.cat((z_pose, z_dyn), dim=1)
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        with part.open("wb") as file:
            np.savez(file, motion=motion.numpy(), speech=speech.frames(clip.audio).numpy())
        part.replace(path)
    with np.load(path) as arrays:
        motion, heard = (torch.from_numpy(arrays[name]) for name in ("motion", "speech"))
    count = min(len(motion), len(heard))
    return LibraryClip(
        key=clip.key, speaker=clip.speaker, speech=heard[:count], motion=motion[:count]
    )


@dataclass(frozen=True, kw_only=True)
class MotionLibrary:
    """Training clips, and others that a penalty is chosen on; nobody is in both."""

    train: list[LibraryClip]
    val: list[LibraryClip]


def motion_library(
    train: Iterable[EvaluationClip],
    val: Iterable[EvaluationClip] | None,
    *,
    encode: Callable[[EvaluationClip], LibraryClip],
) -> MotionLibrary:
    """Encodes clip after clip; without a val split every fourth training person is held back."""
    fitted = [encode(clip) for clip in train]
    if val is not None:
        return MotionLibrary(train=fitted, val=[encode(clip) for clip in val])
    held_back = set(sorted({clip.speaker for clip in fitted})[::4])
    return MotionLibrary(
        train=[clip for clip in fitted if clip.speaker not in held_back],
        val=[clip for clip in fitted if clip.speaker in held_back],
    )
