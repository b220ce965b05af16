"""Audio features, one vector a video frame, by exact timing.

Frame i of the video owns the samples [640 i, 640 (i + 1)) at 16 kHz and 25 fps; every encoder
gives exactly one feature vector for it. Shapes: b batch, n samples, t frames, f features.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from vasa.data.schema import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME

SUBFRAMES = 4
HOP = SAMPLES_PER_FRAME // SUBFRAMES


@dataclass(frozen=True, kw_only=True)
class SoundContext:
    """Sound around a run of frames that their features are made from, where sound is bounded.

    Attributes:
        before_frames: frames before the first.
        after_samples: samples after the last; what a stream waits for. Enough that the frames they
            reach into are sure to belong to the clip, whose length is known to the nearest frame:
            at its end a stream and a file are then cut, and padded with silence, alike.
        is_exact: whether the features equal those of the whole clip, but for rounding.
    """

    before_frames: int
    after_samples: int
    is_exact: bool


class AudioEncoder(Protocol):
    """A frozen map from sound to features at the video's rate.

    Encoders are frozen dataclasses, so that a motion model's saved configuration holds the one it
    was trained on; those that need weights load them at the first call.
    """

    @property
    def dim(self) -> int:
        """f."""
        ...

    @property
    def context(self) -> SoundContext:
        """What features need of the sound around their frames."""
        ...

    def describe(self) -> str:
        """Name, settings and weights in one line; features are equal where these are."""
        ...

    def __call__(self, audio: Tensor) -> Tensor:
        """Whole clips `b n` in [-1, 1] at 16 kHz to `b t f`, t = `num_video_frames(n)`.

        What is computed is computed where the sound lies: networks follow it there.
        """
        ...


def num_video_frames(num_samples: int) -> int:
    """Frames of a video as long as the sound, to the nearest frame and at least one."""
    return max(1, (num_samples + SAMPLES_PER_FRAME // 2) // SAMPLES_PER_FRAME)


def fit_to_frames(audio: Tensor) -> Tensor:
    """Cut, or pad with silence, so that `b n` is a whole number of video frames."""
    wanted = num_video_frames(audio.shape[-1]) * SAMPLES_PER_FRAME
    return F.pad(audio[..., :wanted], (0, max(0, wanted - audio.shape[-1])))


@dataclass(frozen=True, kw_only=True)
class LogMel:
    """Log-mel energies, four 10 ms sub-frames stacked for each video frame.

    Unspecified in the paper: it takes Wav2Vec2's features; these are the default because they need
    no weights. Sub-frame j of frame i is centred on sample 640 i + 160 j + 80, so a frame's
    features see `context_samples` beyond its own samples on either side and nothing else: the
    normalisation is by constants, not by the clip.

    Attributes:
        num_mels: mel bands.
        window_samples: length of the Hann window and of the transform, even.
        min_hz: lower edge of the lowest band.
        max_hz: upper edge of the highest band.
        floor: least energy, below which all is silence.
        log_mean: subtracted from log10 energies.
        log_std: they are divided by it.
    """

    num_mels: int
    window_samples: int
    min_hz: float
    max_hz: float
    floor: float
    log_mean: float
    log_std: float

    @cached_property
    def _filters(self) -> Tensor:
        filters = mel_filters(
            num_mels=self.num_mels,
            num_bins=self.window_samples // 2 + 1,
            min_hz=self.min_hz,
            max_hz=self.max_hz,
        )
        return torch.from_numpy(filters).float()

    @property
    def dim(self) -> int:
        """f = 4 sub-frames x bands."""
        return SUBFRAMES * self.num_mels

    @property
    def context_samples(self) -> int:
        """Samples beyond its own that a frame's features see, on either side."""
        return (self.window_samples - HOP) // 2

    @property
    def context(self) -> SoundContext:
        """The frames around that the transform reaches into."""
        frames = -(-self.context_samples // SAMPLES_PER_FRAME)
        surely_frames = frames * SAMPLES_PER_FRAME - SAMPLES_PER_FRAME // 2
        return SoundContext(
            before_frames=frames,
            after_samples=max(self.context_samples, surely_frames),
            is_exact=True,
        )

    def describe(self) -> str:
        """Settings in one line."""
        return (
            f"log_mel(mels={self.num_mels}, window={self.window_samples}, hop={HOP}, "
            f"hz={self.min_hz:g}-{self.max_hz:g}, floor={self.floor:g}, "
            f"log10 mean={self.log_mean:g} std={self.log_std:g})"
        )

    def __call__(self, audio: Tensor) -> Tensor:
        """Sound `b n` to features `b t f`."""
        padded = F.pad(fit_to_frames(audio.float()), (self.context_samples, self.context_samples))
        window = torch.hann_window(self.window_samples, device=audio.device)
        windows = padded.unfold(-1, self.window_samples, HOP) * window
        power = torch.fft.rfft(windows).abs().square()
        energy = power @ self._filters.to(audio.device).T
        logs = (energy.clamp(min=self.floor).log10() - self.log_mean) / self.log_std
        return rearrange(logs, "b (t j) mel -> b t (j mel)", j=SUBFRAMES)


def mel_filters(*, num_mels: int, num_bins: int, min_hz: float, max_hz: float) -> np.ndarray:
    """Triangular filters of height 1, evenly spaced on Slaney's mel scale, `num_mels num_bins`.

    The scale is linear below 1 kHz, so that no low band falls between two bins.
    """
    edges_hz = _mel_to_hz(np.linspace(_hz_to_mel(min_hz), _hz_to_mel(max_hz), num_mels + 2))
    bins_hz = np.linspace(0, SAMPLE_RATE_HZ / 2, num_bins)
    low, middle, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising = (bins_hz - low) / (middle - low)
    falling = (high - bins_hz) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling))


_LINEAR_HZ, _KNEE_HZ, _KNEE_MEL, _LOG_STEP = 200 / 3, 1000.0, 15.0, np.log(6.4) / 27


def _hz_to_mel(hz: float) -> float:
    """f / (200/3) below 1 kHz, 15 + 27 ln(f / 1000) / ln(6.4) above (Slaney 1998)."""
    return hz / _LINEAR_HZ if hz < _KNEE_HZ else _KNEE_MEL + np.log(hz / _KNEE_HZ) / _LOG_STEP


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    above = _KNEE_HZ * np.exp(_LOG_STEP * (mel - _KNEE_MEL))
    return np.where(mel < _KNEE_MEL, mel * _LINEAR_HZ, above)
