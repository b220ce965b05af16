"""The speech that is to be spoken, checked before any work is done, and as it goes into the video.

Shapes: c channels, n samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vasa.data.audio import read_audio
from vasa.data.schema import SAMPLE_RATE_HZ
from vasa.data.video import AAC_RATES_HZ, SoundTrack
from vasa.types import InputError

SILENT_RMS = 10 ** (-60 / 20)
_BITS_A_CHANNEL = 96_000
"""AAC a channel and second from 32 kHz on: twice what speech needs to sound as it did."""


def read_speech(path: Path) -> Tensor:
    """What the model hears: mono at 16 kHz in [-1, 1], `n`; 3.8 MB a minute are held.

    Raises:
        InputError: no such file, not audio, or nothing said in it (`check_speech`).
    """
    try:
        samples = torch.from_numpy(read_audio(path))
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"expected sound of one rate and number of channels in {path}: {error}; convert it "
            "to wav first"
        ) from error
    check_speech(samples)
    return samples


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


@dataclass(frozen=True, kw_only=True)
class SoundFacts:
    """What a sound file's header says.

    Attributes:
        rate_hz: samples a second.
        num_channels: channels.
    """

    rate_hz: int
    num_channels: int


def sound_facts(path: Path) -> SoundFacts:
    """Of the first audio stream of a file that `read_audio` reads."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return SoundFacts(rate_hz=stream.rate, num_channels=stream.channels)


def original_sound(path: Path) -> SoundTrack:
    """The file's own sound for the video, decoded as it is written.

    Rate and channels stay where AAC knows them: another rate becomes the next higher one (48 kHz
    above 96 kHz), more than two channels are mixed to two. Its first sample is the first one that
    `read_audio` gives, so that lips and sound stay together.

    Args:
        path: a file that `read_audio` reads.
    """
    facts = sound_facts(path)
    rate_hz = next((rate for rate in AAC_RATES_HZ if rate >= facts.rate_hz), 48_000)
    num_channels = min(facts.num_channels, 2)
    return SoundTrack(
        rate_hz=rate_hz,
        num_channels=num_channels,
        blocks=_decoded(path, rate_hz=rate_hz, num_channels=num_channels),
        bit_rate=_BITS_A_CHANNEL * num_channels if rate_hz >= 32_000 else None,
    )


def _decoded(path: Path, *, rate_hz: int, num_channels: int) -> Iterator[np.ndarray]:
    """Blocks `c n`. In integers, as `mono_resampler` says: mixing then keeps its range."""
    layout = "mono" if num_channels == 1 else "stereo"
    resampler = av.AudioResampler(format="s32p", layout=layout, rate=rate_hz)
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                yield _samples(part)
        for part in resampler.resample(None):
            yield _samples(part)


def _samples(frame: av.AudioFrame) -> np.ndarray:
    return (frame.to_ndarray() / 2.0**31).astype(np.float32)


def conversion_notice(path: Path) -> str | None:
    """What the model hears of a sound file that is not mono at 16 kHz; None where it hears it all.

    Telephone speech is worth a word: above half its rate there is nothing to hear.
    """
    facts = sound_facts(path)
    steps = []
    if facts.num_channels != 1:
        steps.append(f"{facts.num_channels} channels mixed to one")
    if facts.rate_hz != SAMPLE_RATE_HZ:
        steps.append(f"{facts.rate_hz} Hz resampled to {SAMPLE_RATE_HZ} Hz")
    if not steps:
        return None
    text = f"audio: {', '.join(steps)} for the model"
    if facts.rate_hz < SAMPLE_RATE_HZ:
        text += f"; sounds above {facts.rate_hz // 2} Hz are missing, lip sync may suffer"
    return text
