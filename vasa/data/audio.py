"""Any common audio file to 16 kHz mono."""

import io
from pathlib import Path

import av
import numpy as np
import soundfile

from vasa.data.schema import SAMPLE_RATE_HZ
from vasa.types import InputError


def mono_resampler() -> av.AudioResampler:
    """Any sound to 16 kHz mono; `mono_samples` reads what it gives.

    It works in integers: only then does FFmpeg's mixing keep the sum of the channels in range. In
    floats a stereo file with one voice in both channels comes out 1.41 times too loud, and clips.
    """
    return av.AudioResampler(format="s32", layout="mono", rate=SAMPLE_RATE_HZ)


def mono_samples(frame: av.AudioFrame) -> np.ndarray:
    """Samples of a frame from `mono_resampler`, float32 in [-1, 1]."""
    return (frame.to_ndarray()[0] / 2.0**31).astype(np.float32)


def read_audio(path: Path) -> np.ndarray:
    """Read the sound of an audio or video file.

    Args:
        path: any file that FFmpeg reads; any rate and number of channels.

    Returns:
        Mono float32 in [-1, 1] at 16 kHz.

    Raises:
        InputError: no such file, not audio, or empty.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"expected an audio file, found none at {path}")
    resampler = mono_resampler()
    parts: list[np.ndarray] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise InputError(f"expected sound in {path}, found no audio stream in it")
            for frame in container.decode(audio=0):
                parts += [mono_samples(part) for part in resampler.resample(frame)]
            parts += [mono_samples(part) for part in resampler.resample(None)]
    except av.error.FFmpegError as error:
        raise InputError(
            f"expected an audio file (wav, flac, mp3, m4a, ...), could not decode {path}: {error}"
        ) from error
    samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if samples.size == 0:
        raise InputError(f"expected speech in {path}, the file holds no audio samples")
    return np.clip(samples, -1, 1).astype(np.float32)


def encode_flac(audio: np.ndarray) -> bytes:
    """Mono float samples at 16 kHz as a FLAC file (16 bit)."""
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def decode_flac(data: bytes, *, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Samples [start, stop) of a shard's `flac` member, mono float32."""
    samples, _ = soundfile.read(io.BytesIO(data), start=start, stop=stop, dtype="float32")
    return samples
