"""How good the sound of a clip is: level, clipping, and whether someone speaks."""

import warnings
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import torch

from vasa.data.schema import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME

FULL_SCALE = 0.999


@dataclass(frozen=True, kw_only=True)
class SoundQuality:
    """Attributes:
    level_db: root mean square, dB of full scale; at least -120.
    clipped_share: samples at full scale.
    speech_share: frames with speech.
    """

    level_db: float
    clipped_share: float
    speech_share: float


def level_db(sound: np.ndarray) -> float:
    """Root mean square of samples, dB of full scale; -120 for silence."""
    return float(10 * np.log10(float(np.mean(np.square(sound))) + 1e-12)) if len(sound) else -120.0


def measure_sound(sound: np.ndarray, speech: np.ndarray) -> SoundQuality:
    """Measures of a stretch: samples `640 t` at 16 kHz and the frames with speech, bool `t`."""
    return SoundQuality(
        level_db=level_db(sound),
        clipped_share=float((np.abs(sound) >= FULL_SCALE).mean()) if len(sound) else 0.0,
        speech_share=float(speech.mean()) if len(speech) else 0.0,
    )


class SpeechDetector:
    """Voice activity by Silero VAD, whose weights come with its package."""

    def __init__(self) -> None:
        from silero_vad import load_silero_vad

        with warnings.catch_warnings():  # newer torch calls the package's way of loading deprecated
            warnings.simplefilter("ignore", FutureWarning)
            self._net = load_silero_vad()

    @staticmethod
    def describe() -> str:
        """Name and version."""
        return f"silero-vad {version('silero-vad')}"

    def __call__(self, sound: np.ndarray) -> np.ndarray:
        """The frames in which someone speaks, bool `t`.

        Args:
            sound: mono float32 at 16 kHz, `n`; a begun frame counts.
        """
        from silero_vad import get_speech_timestamps

        speaks = np.zeros(-(-len(sound) // SAMPLES_PER_FRAME), dtype=bool)
        stretches = get_speech_timestamps(
            torch.from_numpy(np.ascontiguousarray(sound)),
            self._net,
            sampling_rate=SAMPLE_RATE_HZ,
        )
        for stretch in stretches:
            first, last = stretch["start"], stretch["end"]
            speaks[first // SAMPLES_PER_FRAME : -(-last // SAMPLES_PER_FRAME)] = True
        return speaks
