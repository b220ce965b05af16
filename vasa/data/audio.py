"""Any common audio file to 16 kHz mono."""

import io
from pathlib import Path

import av
import numpy as np
import soundfile

from vasa.data.schema import SAMPLE_RATE_HZ
from vasa.types import InputError


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
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
    parts: list[np.ndarray] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise InputError(f"expected sound in {path}, found no audio stream in it")
            for frame in container.decode(audio=0):
                parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
            parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
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
