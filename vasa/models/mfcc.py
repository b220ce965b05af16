"""Mel-frequency cepstral coefficients as `python_speech_features.mfcc` gives them by default.

The published SyncNet hears these (github.com/joonson/syncnet_python, SyncNetInstance.py). What is
particular to that package: no taper on the frames, a first sample that pre-emphasis leaves alone,
filters with corners on whole FFT bins, and the log of the frame's energy in place of the first
coefficient.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vasa.types import InputError

STEPS_PER_FRAME = 4
"""MFCC steps, of 10 ms, in a frame of 40 ms."""
NUM_CEPSTRA = 13
_RATE_HZ = 16_000
_STEP_SAMPLES = 160
_LENGTH_SAMPLES = 400
_FFT_SAMPLES = 512
_NUM_FILTERS = 26
_PREEMPHASIS = 0.97
_LIFTER = 22
_INT16_SCALE = 32_768


class Mfcc(nn.Module):
    """13 coefficients every 10 ms, of 25 ms of sound each; computed in float64."""

    filters: Tensor
    cosines: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", _filters(), persistent=False)
        self.register_buffer("cosines", _lifted_cosines(), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Coefficients of sound.

        Args:
            audio: mono at 16 kHz in [-1, 1], `b n`, n > 400; taken to whole steps of 16 bits, as
                the reference reads its wav files.

        Returns:
            float32 `b 1+ceil((n-400)/160) 13`; the end is filled up with zeros. Step k is of
            samples [160 k, 160 k + 400).

        Raises:
            InputError: 400 samples or fewer.
        """
        if audio.shape[-1] <= _LENGTH_SAMPLES:
            raise InputError(
                f"expected more than {_LENGTH_SAMPLES} samples of sound, got {audio.shape[-1]}"
            )
        samples = (audio.double() * _INT16_SCALE).round().clamp(-_INT16_SCALE, _INT16_SCALE - 1)
        emphasised = samples - _PREEMPHASIS * functional.pad(samples[:, :-1], (1, 0))
        missing = (_LENGTH_SAMPLES - samples.shape[-1]) % _STEP_SAMPLES
        frames = functional.pad(emphasised, (0, missing)).unfold(-1, _LENGTH_SAMPLES, _STEP_SAMPLES)
        power = torch.fft.rfft(frames, n=_FFT_SAMPLES).abs().square() / _FFT_SAMPLES
        energies = _without_zeros(power @ self.filters.T)
        cepstra = energies.log() @ self.cosines
        log_energy = _without_zeros(power.sum(dim=-1, keepdim=True)).log()
        return torch.cat((log_energy, cepstra[..., 1:]), dim=-1).float()


def _without_zeros(energies: Tensor) -> Tensor:
    """Exact zeros (silence) become the smallest step of float64, so that logarithms exist."""
    return energies.masked_fill(energies == 0, float(np.finfo(np.float64).eps))


def _filters() -> Tensor:
    """26 triangles from 0 to 8 kHz on the mel scale, corners on whole bins, `filters bins`."""
    highest = 2595 * math.log10(1 + _RATE_HZ / 2 / 700)
    hz = 700 * (10 ** (np.linspace(0, highest, _NUM_FILTERS + 2) / 2595) - 1)
    corners = np.floor((_FFT_SAMPLES + 1) * hz / _RATE_HZ)
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    bins = np.arange(_FFT_SAMPLES // 2 + 1)
    rising = (bins >= low) & (bins < middle)
    falling = (bins >= middle) & (bins < high)
    triangles = rising * (bins - low) / (middle - low) + falling * (high - bins) / (high - middle)
    return torch.from_numpy(triangles)


def _lifted_cosines() -> Tensor:
    """Orthonormal DCT-II to 13 coefficients, each scaled by the lifter, `filters 13`."""
    place, order = np.arange(_NUM_FILTERS)[:, None] + 0.5, np.arange(NUM_CEPSTRA)
    cosines = np.cos(math.pi * order * place / _NUM_FILTERS) * math.sqrt(2 / _NUM_FILTERS)
    cosines[:, 0] /= math.sqrt(2)
    lifter = 1 + _LIFTER / 2 * np.sin(math.pi * order / _LIFTER)
    return torch.from_numpy(cosines * lifter)
