"""Short clips of a face in motion, for looking at while training."""

import torch
from torch import Tensor

from vasa.data.schema import SAMPLES_PER_FRAME
from vasa.data.stored_clip import StoredClip
from vasa.models.face_autoencoder import FaceAutoencoder
from vasa.training.exhibits import SampleClip
from vasa.types import FaceLatents

NUM_FRAMES = 50
"""Of a clip: two seconds."""
BATCH = 10
NUM_POSE = 6


@torch.no_grad()
def animated(model: FaceAutoencoder, source: FaceLatents, motion: Tensor) -> Tensor:
    """A face in motion.

    Args:
        model: stage 1, in evaluation mode.
        source: the face, a batch of one.
        motion: [z_pose, z_dyn], `t m`.

    Returns:
        Pictures `t 3 h w` in [0, 1].
    """
    parts = [
        model.decode(source.with_motion(z_pose=some[:, :NUM_POSE], z_dyn=some[:, NUM_POSE:]))
        for some in motion.split(BATCH)
    ]
    return torch.cat(parts).float().clamp(0, 1)


@torch.no_grad()
def reenacted(model: FaceAutoencoder, source: Tensor, driver: StoredClip) -> SampleClip:
    """Source, driver and the source in the driver's motion, side by side with the driver's sound.

    Args:
        model: stage 1, in evaluation mode.
        source: picture `3 h w` in [0, 1].
        driver: clip of another person; its start is taken.
    """
    frames = torch.from_numpy(driver.frames[:NUM_FRAMES]).permute(0, 3, 1, 2)
    frames = frames.to(source.device).float() / 255
    motion = [torch.cat(model.motion(some), dim=1) for some in frames.split(BATCH)]
    made = animated(model, model.encode(source[None]), torch.cat(motion))
    still = source.expand(len(frames), -1, -1, -1)
    return SampleClip(frames=torch.cat((still, frames, made), dim=3), audio=_sound(driver, frames))


@torch.no_grad()
def spoken(model: FaceAutoencoder, face: StoredClip, *, true: Tensor, made: Tensor) -> SampleClip:
    """The true motion of a window and the generated one on its own face, with its sound.

    Args:
        model: stage 1, in evaluation mode.
        face: the clip that the window is the start of.
        true: motion `t m`, as `model` makes it.
        made: likewise.
    """
    device = true.device
    first = torch.from_numpy(face.frames[:1]).permute(0, 3, 1, 2).to(device).float() / 255
    source = model.encode(first)
    both = [animated(model, source, motion[:NUM_FRAMES]) for motion in (true, made)]
    return SampleClip(frames=torch.cat(both, dim=3), audio=_sound(face, both[0]))


def _sound(clip: StoredClip, frames: Tensor) -> Tensor:
    return torch.from_numpy(clip.audio[: len(frames) * SAMPLES_PER_FRAME])
