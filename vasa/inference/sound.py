"""The speech that is to be spoken, checked before any work is done."""

from pathlib import Path

import av
import torch
from torch import Tensor
from torch.nn import functional as F

from vasa.data.schema import SAMPLE_RATE_HZ
from vasa.types import InputError

SILENT_RMS = 10 ** (-60 / 20)


def check_speech(audio: Tensor) -> None:
    """Refuse sound that holds no speech at all.

    Args:
        audio: mono at 16 kHz in [-1, 1], `n`.

    Raises:
        InputError: empty, not finite, or silent (loudest 20 ms under -60 dB of full scale).
    """
    if audio.numel() == 0:
        raise InputError("expected speech, the audio is empty")
    if not torch.isfinite(audio).all():
        raise InputError("expected speech, the audio holds values that are not finite")
    if loudest_rms(audio) < SILENT_RMS:
        raise InputError(
            "expected speech, the audio is silent (no 20 ms of it reach -60 dB of full scale)"
        )


def loudest_rms(audio: Tensor, *, block: int = 320) -> float:
    """Root mean square of the loudest block of `n` samples."""
    padded = F.pad(audio, (0, -len(audio) % block))
    return float(padded.reshape(-1, block).square().mean(dim=1).sqrt().max())


def conversion_notice(path: Path) -> str | None:
    """What is done to a sound file that is not mono at 16 kHz; None where nothing is.

    Telephone speech is worth a word: above half its rate there is nothing to hear.
    """
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        rate, channels = stream.rate, stream.channels
    steps = []
    if channels != 1:
        steps.append(f"{channels} channels mixed to one")
    if rate != SAMPLE_RATE_HZ:
        steps.append(f"{rate} Hz resampled to {SAMPLE_RATE_HZ} Hz")
    if not steps:
        return None
    text = f"audio: {', '.join(steps)}"
    if rate < SAMPLE_RATE_HZ:
        text += f"; sounds above {rate // 2} Hz are missing, lip sync may suffer"
    return text
