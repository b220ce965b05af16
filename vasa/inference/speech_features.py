"""Audio features while the sound comes, each computed once, from bounded memory.

Shapes: n samples, t frames, f audio features.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from vasa.data.audio_features import AudioEncoder, num_video_frames
from vasa.data.schema import SAMPLES_PER_FRAME
from vasa.inference.sound import check_speech, loudest_rms
from vasa.types import InputError

RMS_BLOCK = 320

KnownFeatures = dict[tuple[int, int], Tensor]
"""Features of one sound by one encoder, `t f` of each run of frames [first, stop)."""


class SpeechFeatures:
    """Samples in, features out, in runs of frames that the caller chooses.

    A run is computed from its own samples and the encoder's context, so features depend on the
    runs but not on how the samples came.

    Args:
        encoder: of the audio.
        device: where it computes, and its features lie; samples are held on the CPU.
        known: taken where it has a run, and added to: the same sound is then encoded once, however
            often it is spoken. It grows with the sound's length.
    """

    def __init__(
        self,
        encoder: AudioEncoder,
        *,
        device: torch.device | str = "cpu",
        known: KnownFeatures | None = None,
    ) -> None:
        self.encoder = encoder
        self._known = known
        self.device = torch.device(device)
        self._context = encoder.context
        self._sound = _SampleBuffer()
        self._watch = _SpeechWatch()
        self._num_frames: int | None = None
        self._next_frame = 0

    @property
    def num_buffered(self) -> int:
        """Samples that are held."""
        return len(self._sound)

    @property
    def lookahead_samples(self) -> int:
        """Samples after a run that are waited for."""
        return self._context.after_samples

    def push(self, samples: Tensor) -> None:
        """More sound.

        Args:
            samples: mono at 16 kHz in [-1, 1], `n`, any length.

        Raises:
            InputError: not a row of finite floats, or the sound has ended.
        """
        if self._num_frames is not None:
            raise InputError("expected no more sound after its end, start another stream")
        if samples.dim() != 1 or not samples.is_floating_point():
            raise InputError(
                "expected mono sound as a row of floats in [-1, 1] at 16 kHz, got "
                f"{tuple(samples.shape)} of {samples.dtype}; mix channels, divide integers by "
                "their largest value"
            )
        samples = samples.detach().to(device="cpu", dtype=torch.float32)
        self._watch.hear(samples)
        self._sound.append(samples)

    def end(self) -> None:
        """No more sound comes.

        Raises:
            InputError: there was none at all, or nothing but silence.
        """
        if self._num_frames is not None:
            return
        self._watch.check()
        self._num_frames = num_video_frames(self._sound.stop)

    def next(self, num_frames: int) -> Tensor | None:
        """Features of the next frames, `t f`; fewer of them at the end.

        Returns:
            None where sound is missing, or, after the end, where there are no more frames.
        """
        first, stop = self._next_frame, self._next_frame + num_frames
        sound_stop = stop * SAMPLES_PER_FRAME + self._context.after_samples
        if self._num_frames is None:
            if self._sound.stop < sound_stop:
                return None
        else:
            stop = min(stop, self._num_frames)
            sound_stop = min(sound_stop, self._num_frames * SAMPLES_PER_FRAME)
        if stop <= first:
            return None
        start_frame = max(0, first - self._context.before_frames)
        sound = self._sound.read(start_frame * SAMPLES_PER_FRAME, sound_stop)
        wanted = -(-sound_stop // SAMPLES_PER_FRAME) - start_frame
        sound = F.pad(sound, (0, wanted * SAMPLES_PER_FRAME - len(sound)))
        features = None if self._known is None else self._known.get((first, stop))
        if features is None:
            features = self.encoder(sound[None].to(self.device))[
                0, first - start_frame : stop - start_frame
            ]
        if self._known is not None:
            self._known[first, stop] = features
        self._next_frame = stop
        self._sound.forget((stop - self._context.before_frames) * SAMPLES_PER_FRAME)
        return features


class _SampleBuffer:
    """The end of a sound, by absolute positions, in one block of memory that is used again."""

    def __init__(self) -> None:
        self._memory = torch.empty(2 * SAMPLES_PER_FRAME)
        self._used = 0
        self.start = 0

    @property
    def stop(self) -> int:
        """Samples that ever came."""
        return self.start + self._used

    def __len__(self) -> int:
        return self._used

    def append(self, samples: Tensor) -> None:
        used = self._used + len(samples)
        if used > len(self._memory):
            larger = torch.empty(max(used, 2 * len(self._memory)))
            larger[: self._used] = self._memory[: self._used]
            self._memory = larger
        self._memory[self._used : used] = samples
        self._used = used

    def read(self, start: int, stop: int) -> Tensor:
        """What is held of [start, stop), a copy."""
        assert start >= self.start, "expected samples that were not forgotten"
        return self._memory[start - self.start : min(stop - self.start, self._used)].clone()

    def forget(self, before: int) -> None:
        """Drop the samples before a position."""
        count = min(max(0, before - self.start), self._used)
        self._memory[: self._used - count] = self._memory[count : self._used].clone()
        self._used -= count
        self.start += count


class _SpeechWatch:
    """Whether there was speech, as `check_speech` says of the whole sound."""

    def __init__(self) -> None:
        self._rest = torch.zeros(0)
        self._loudest = torch.zeros(0)

    def hear(self, samples: Tensor) -> None:
        if not torch.isfinite(samples).all():
            check_speech(samples)
        joined = torch.cat((self._rest, samples))
        whole = len(joined) // RMS_BLOCK * RMS_BLOCK
        self._rest = joined[whole:].clone()
        if whole:
            blocks = joined[:whole].reshape(-1, RMS_BLOCK)
            self._keep(blocks[blocks.square().sum(dim=1).argmax()])

    def check(self) -> None:
        """Refuse what holds no speech."""
        if len(self._rest):
            self._keep(self._rest)
        check_speech(self._loudest)

    def _keep(self, block: Tensor) -> None:
        if not len(self._loudest) or loudest_rms(block) > loudest_rms(self._loudest):
            self._loudest = block.clone()
