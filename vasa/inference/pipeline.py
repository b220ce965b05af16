"""Image and speech to a talking face (VASA-1 sec. 3.3).

Shapes: t frames, m motion, n samples, c h w pictures.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from vasa.data.schema import SAMPLES_PER_FRAME
from vasa.inference.rendering import Renderer, RenderSettings
from vasa.inference.sound import check_speech
from vasa.inference.speech_features import KnownFeatures
from vasa.inference.streaming import FaceStream, MotionEdit, MotionStream
from vasa.inference.windows import MotionSettings
from vasa.models.checkpoint import load_model, model_hash
from vasa.models.motion_transformer import MotionTransformer
from vasa.types import InputError


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

    def stream(
        self,
        image: Tensor,
        *,
        motion: MotionSettings,
        render: RenderSettings,
        edit: MotionEdit | None = None,
        known: KnownFeatures | None = None,
    ) -> FaceStream:
        """Speech to frames while it is spoken.

        Args:
            image: face crop `3 h h` in [0, 1], encoded here, once.
            motion: of the sampling; its plan says after how much sound there are frames.
            render: of the decoding; a small batch gives the first frame sooner.
            edit: given motion `t m` and the index of its first frame, gives the motion to draw.
            known: features of the same sound, kept for its next stream by the same plan.
        """
        return FaceStream(
            motion=MotionStream(self.motion_model, motion, known=known),
            renderer=Renderer(self.autoencoder, image, render),
            edit=edit,
        )

    def frames(
        self,
        image: Tensor,
        audio: Tensor,
        *,
        motion: MotionSettings,
        render: RenderSettings,
        edit: MotionEdit | None = None,
        known: KnownFeatures | None = None,
    ) -> Iterator[Tensor]:
        """Speech spoken by a face, in batches, so that memory does not grow with its length.

        The speech is streamed: this is what `stream` gives, to the bit.

        Args:
            image: face crop `3 h h` in [0, 1].
            audio: mono at 16 kHz in [-1, 1], `n`.
            motion: of the sampling.
            render: of the decoding.
            edit: see `stream`.
            known: see `stream`.

        Returns:
            Frames in order at 25 fps, uint8 `t 3 s s`, `num_video_frames(n)` in all.

        Raises:
            InputError: at once, for empty or silent audio; later, where the audio encoder's weights
                are missing.
        """
        check_speech(audio)
        stream = self.stream(image, motion=motion, render=render, edit=edit, known=known)
        return _streamed(stream, audio)

    def generate(
        self,
        image: Tensor,
        audio: Tensor,
        *,
        motion: MotionSettings,
        render: RenderSettings,
    ) -> Tensor:
        """All of `frames` at once, uint8 `t 3 s s`: for short speech that is measured."""
        return torch.cat(list(self.frames(image, audio, motion=motion, render=render)))

    def motion_pieces(self, audio: Tensor, settings: MotionSettings) -> Iterator[Tensor]:
        """Motion for speech, a window at a time; see `motion_for`."""
        check_speech(audio)
        return _streamed_motion(MotionStream(self.motion_model, settings), audio)

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
        return torch.cat(list(self.motion_pieces(audio, settings)))

    def rendered(
        self, image: Tensor, motion: Iterable[Tensor], settings: RenderSettings
    ) -> Iterator[Tensor]:
        """Pictures of a face in motion, in batches; the source is encoded once.

        Args:
            image: face crop `3 h h` in [0, 1].
            motion: pieces of [z_pose, z_dyn], `t m`.
            settings: of the decoding.

        Returns:
            uint8 `t 3 s s`, t at most `settings.batch_size`.
        """
        renderer = Renderer(self.autoencoder, image, settings)
        for piece in motion:
            renderer.add(piece)
            while (frames := renderer.next()) is not None:
                yield frames

    def render(self, image: Tensor, motion: Tensor, settings: RenderSettings) -> Tensor:
        """Pictures of motion `t m` at once, uint8 `t 3 s s`; see `rendered`."""
        return torch.cat(list(self.rendered(image, [motion], settings)))


def _streamed(stream: FaceStream, audio: Tensor) -> Iterator[Tensor]:
    for part in audio.split(_portion(stream.motion)):
        yield from stream.push(part)
    yield from stream.finish()


def _streamed_motion(stream: MotionStream, audio: Tensor) -> Iterator[Tensor]:
    for part in audio.split(_portion(stream)):
        stream.push(part)
        while (motion := stream.next()) is not None:
            yield motion
    stream.end()
    while (motion := stream.next()) is not None:
        yield motion


def _portion(stream: MotionStream) -> int:
    """Samples pushed at a time, a window's: what is held stays as small as in a stream."""
    return stream.windows.plan.hop_frames * SAMPLES_PER_FRAME


def to_video_frames(frames: Tensor) -> np.ndarray:
    """uint8 `t 3 h w` as `t h w 3`."""
    return rearrange(frames, "t c h w -> t h w c").numpy()
