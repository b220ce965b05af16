"""Speech and motion of training clips, encoded once: what the constructed methods take from.

Shapes: t frames, f speech features, m motion.
"""

import hashlib
from dataclasses import dataclass
from itertools import groupby
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
        valid: frames whose face was tracked; motion of others is not to be taken, `t` bool.
    """

    key: str
    speaker: str
    speech: Tensor
    motion: Tensor
    valid: Tensor

    def longest_run(self) -> Tensor:
        """Motion of the longest run of valid frames, `t m`."""
        runs, start = [slice(0, 0)], 0
        for is_valid, frames in groupby(self.valid.tolist()):
            stop = start + len(list(frames))
            if is_valid:
                runs.append(slice(start, stop))
            start = stop
        return self.motion[max(runs, key=lambda run: run.stop - run.start)]


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
        key=clip.key,
        speaker=clip.speaker,
        speech=heard[:count],
        motion=motion[:count],
        valid=clip.valid[:count],
    )
