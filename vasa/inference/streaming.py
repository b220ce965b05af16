"""Speech to a talking face while it is spoken: sound in, frames out.

Whole files go the same way (`vasa.inference.pipeline`), so that a stream's frames are those of the
file to the bit, for the same seed and plan and however the sound is cut. What is held does not grow
with the length: sound as far as features need it, the last K frames of motion and audio (X_pre,
A_pre), and the frames of one window. Shapes: n samples, t frames, m motion, s picture.
"""

from collections.abc import Callable, Iterator
from typing import cast

import torch
from torch import Tensor

from vasa.data.audio_features import AudioEncoder
from vasa.data.schema import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from vasa.inference.rendering import Renderer
from vasa.inference.speech_features import KnownFeatures, SpeechFeatures
from vasa.inference.windows import MotionSettings, MotionWindows
from vasa.models.motion_transformer import MotionTransformer

MotionEdit = Callable[[Tensor, int], Tensor]
"""Generated motion `t m` and the index of its first frame -> `t m`."""


class MotionStream:
    """Sound in, motion out.

    Args:
        model: stage 2.
        settings: how to sample; its plan says how much sound a piece of motion needs.
        known: features of the sound, of an earlier stream of the same model and plan.
    """

    def __init__(
        self,
        model: MotionTransformer,
        settings: MotionSettings,
        *,
        known: KnownFeatures | None = None,
    ) -> None:
        device = next(model.parameters()).device
        audio = cast(AudioEncoder, model.audio)
        self.features = SpeechFeatures(audio, device=device, known=known)
        self.windows = MotionWindows(model, settings)
        self._heard: Tensor | None = None
        self._has_ended = False

    @property
    def first_audio_s(self) -> float:
        """Seconds of sound that must have come before the first frame can be made."""
        frames = self.windows.plan.window_frames
        return (frames * SAMPLES_PER_FRAME + self.features.lookahead_samples) / SAMPLE_RATE_HZ

    def push(self, samples: Tensor) -> None:
        """More sound; see `SpeechFeatures.push`."""
        self.features.push(samples)

    def end(self) -> None:
        """No more sound comes; see `SpeechFeatures.end`."""
        self.features.end()
        self._has_ended = True

    def next(self) -> Tensor | None:
        """The next piece of motion, `t m`; None: sound is missing, or all is made."""
        plan = self.windows.plan
        known = 0 if self._heard is None else len(self._heard)
        fresh = None
        if known < plan.window_frames:
            fresh = self.features.next(plan.window_frames - known)
        if fresh is None and not (self._has_ended and known):
            return None
        if fresh is not None:
            self._heard = fresh if self._heard is None else torch.cat((self._heard, fresh))
        assert self._heard is not None
        motion = self.windows.next(self._heard)[0]
        rest = self._heard[plan.hop_frames :]
        self._heard = rest.clone() if len(rest) else None
        return motion


class FaceStream:
    """Sound in, pictures out, for one face; see `vasa.inference.pipeline.TalkingFace.stream`.

    Example:
        for chunk in microphone:
            for frames in stream.push(chunk):
                show(frames)
        for frames in stream.finish():
            show(frames)

    Args:
        motion: sound to motion.
        renderer: motion to pictures.
        edit: changes generated motion before it is drawn; what the model is told of it is not.
    """

    def __init__(
        self, *, motion: MotionStream, renderer: Renderer, edit: MotionEdit | None = None
    ) -> None:
        self.motion = motion
        self.renderer = renderer
        self._edit = edit
        self._num_frames = 0

    @property
    def first_audio_s(self) -> float:
        """Seconds of sound that must have come before the first frame can be made."""
        return self.motion.first_audio_s

    @property
    def num_buffered(self) -> int:
        """Samples of sound that are held."""
        return self.motion.features.num_buffered

    def push(self, samples: Tensor) -> Iterator[Tensor]:
        """Take sound in at once; the frames that it allows are made as they are asked for.

        Args:
            samples: mono at 16 kHz in [-1, 1], `n`, any length.

        Returns:
            Frames in order, uint8 `t 3 s s` on the CPU, t at most the renderer's batch; those that
            are not taken come with the next push.

        Raises:
            InputError: not a row of finite floats, or the stream has ended.
        """
        self.motion.push(samples)
        return self._frames()

    def finish(self) -> Iterator[Tensor]:
        """End the sound; the frames that are left, so that there are `num_video_frames(n)` in all.

        Raises:
            InputError: no speech ever came, as for a file; frames of a silent start were made by
                then.
        """
        self.motion.end()
        return self._frames()

    def _frames(self) -> Iterator[Tensor]:
        while True:
            while (frames := self.renderer.next()) is not None:
                yield frames
            motion = self.motion.next()
            if motion is None:
                return
            if self._edit is not None:
                motion = self._edit(motion, self._num_frames)
            self._num_frames += len(motion)
            self.renderer.add(motion)
