"""Image and speech to a talking face (VASA-1 sec. 3.3).

Shapes: t frames, m motion, n samples, c h w pictures.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from vasa.data.schema import FPS
from vasa.inference.face_locator import resized
from vasa.inference.sound import check_speech
from vasa.inference.windows import MotionSettings, generate_motion
from vasa.models.checkpoint import load_model, model_hash
from vasa.models.motion_transformer import MotionTransformer
from vasa.types import InputError

NUM_POSE = 6


@dataclass(frozen=True, kw_only=True)
class RenderSettings:
    """How motion becomes pictures.

    Attributes:
        batch_size: frames decoded at once.
        start_blend_s: seconds in which the head moves from the source's pose to the generated
            one; 0: it starts where it was generated. Unspecified in the paper.
    """

    batch_size: int
    start_blend_s: float


class TalkingFace:
    """Stage 1 and stage 2 together.

    Args:
        autoencoder: stage 1.
        motion_model: stage 2, trained on this stage 1's codes.
    """

    def __init__(self, *, autoencoder: Any, motion_model: MotionTransformer) -> None:
        self.autoencoder = autoencoder
        self.motion_model = motion_model

    @staticmethod
    def load(*, stage1: Path, stage2: Path, device: torch.device | None = None) -> "TalkingFace":
        """From two run folders.

        Raises:
            InputError: a checkpoint is missing, or stage 2 was trained on another stage 1.
        """
        autoencoder, motion_model = load_model(stage1), load_model(stage2)
        if not hasattr(autoencoder, "encode"):
            raise InputError(
                f"expected a stage-1 run at {stage1}, it holds a {type(autoencoder).__name__}"
            )
        if not isinstance(motion_model, MotionTransformer):
            raise InputError(
                f"expected a stage-2 run at {stage2}, it holds a {type(motion_model).__name__}"
            )
        found = model_hash(stage1)
        if motion_model.stage1_hash != found:
            raise InputError(
                f"expected the stage 1 that {stage2} was trained on "
                f"({motion_model.stage1_hash[:8]}), {stage1} is {found[:8]}"
            )
        device = device or torch.device("cpu")
        return TalkingFace(
            autoencoder=autoencoder.to(device).requires_grad_(False),
            motion_model=motion_model.to(device).requires_grad_(False),
        )

    @property
    def device(self) -> torch.device:
        """Where both networks are."""
        return next(self.motion_model.parameters()).device

    def motion_for(self, audio: Tensor, settings: MotionSettings) -> Tensor:
        """Motion for speech.

        Args:
            audio: mono at 16 kHz in [-1, 1], `n`.
            settings: of the sampling.

        Returns:
            [z_pose, z_dyn], `t m` with t = `num_video_frames(n)`.

        Raises:
            InputError: empty or silent audio, or the audio encoder's weights are missing.
        """
        check_speech(audio)
        features = self.motion_model.audio(audio.cpu()[None])[0]
        return generate_motion(self.motion_model, features.to(self.device), settings)

    @torch.inference_mode()
    def render(
        self,
        image: Tensor,
        motion: Tensor,
        settings: RenderSettings,
        *,
        track: Callable[[Iterable[int]], Iterable[int]] = iter,
    ) -> Tensor:
        """Pictures of a face in motion; the source is encoded once.

        Args:
            image: face crop `3 h h` in [0, 1].
            motion: [z_pose, z_dyn], `t m`.
            settings: of the decoding.
            track: wraps the loop over batches (a progress bar).

        Returns:
            uint8 `t 3 s s`.
        """
        picture = resized(image[None].to(self.device), size=self.autoencoder.image_size)
        source = self.autoencoder.encode(picture)
        z_pose, z_dyn = motion[:, :NUM_POSE], motion[:, NUM_POSE:]
        z_pose = blend_from(source.z_pose, z_pose, num_frames=round(settings.start_blend_s * FPS))
        frames = []
        for start in track(range(0, len(motion), settings.batch_size)):
            part = slice(start, start + settings.batch_size)
            latents = source.with_motion(z_pose=z_pose[part], z_dyn=z_dyn[part])
            decoded = self.autoencoder.decode(latents).float().clamp(0, 1)
            frames.append((decoded * 255).round().to(torch.uint8).cpu())
        return torch.cat(frames)

    def generate(
        self,
        image: Tensor,
        audio: Tensor,
        *,
        motion: MotionSettings,
        render: RenderSettings,
        track: Callable[[Iterable[int]], Iterable[int]] = iter,
    ) -> Tensor:
        """Speech `n` spoken by the face `3 h h`, uint8 `t 3 s s` at 25 fps."""
        return self.render(image, self.motion_for(audio, motion), render, track=track)


def blend_from(source: Tensor, z_pose: Tensor, *, num_frames: int) -> Tensor:
    """Start at the source's pose and reach the generated one smoothly after `num_frames`.

    z_pose_i + w_i (source - z_pose_0), w_i = (1 + cos(pi i / num_frames)) / 2 up to there.

    Args:
        source: `1 6`.
        z_pose: `t 6`.
        num_frames: 0 leaves `z_pose` alone.
    """
    if num_frames == 0:
        return z_pose
    shares = (torch.arange(len(z_pose), device=z_pose.device) / num_frames).clamp(max=1)
    weights = (1 + torch.cos(torch.pi * shares)) / 2
    return z_pose + rearrange(weights, "t -> t 1") * (source - z_pose[:1])


def to_video_frames(frames: Tensor) -> np.ndarray:
    """uint8 `t 3 h w` as `t h w 3`."""
    return rearrange(frames, "t c h w -> t h w c").numpy()
