"""Real synthesised speech with phoneme times, by the espeak-ng of the wheel `espeakng-loader`.

The library is global to the process, not re-entrant, and carries state (glottal phase, noise)
from one utterance to the next. Each utterance therefore runs in a freshly loaded copy with a
fixed noise seed: the same text, voice, rate and pitch give the same samples in any process and in
any order."""

import _ctypes
import ctypes
import threading
from dataclasses import dataclass

import espeakng_loader
import numpy as np
from scipy.signal import resample_poly

SAMPLE_RATE = 16000
_ESPEAK_RATE = 22050
_EVENT_END, _EVENT_PHONEME = 0, 7
_RETRIEVAL, _PHONEME_EVENTS, _UTF8 = 2, 1, 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_LOCK = threading.Lock()


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True, kw_only=True)
class Phoneme:
    """One sound: espeak's mnemonic without stress marks ("_" is silence), its time, its stress."""

    name: str
    start_s: float
    end_s: float
    is_stressed: bool


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """Mono float32 16 kHz samples `n` and their phonemes in order of time."""

    audio: np.ndarray
    phonemes: tuple[Phoneme, ...]


def _synthesise(
    *, text: str, voice: str, rate: int, pitch: int
) -> tuple[np.ndarray, list[tuple[int, str]]]:
    """Samples at 22.05 kHz and (sample, mnemonic) events, from a fresh copy of the library."""
    chunks: list[np.ndarray] = []
    events: list[tuple[int, str]] = []

    @_CALLBACK
    def receive(wave, count, found):
        if wave and count > 0:
            chunks.append(np.ctypeslib.as_array(wave, shape=(count,)).copy())
        i = 0
        while found[i].type != _EVENT_END:
            if found[i].type == _EVENT_PHONEME:
                events.append(
                    (found[i].sample, bytes(found[i].id.string).decode("utf-8", "replace"))
                )
            i += 1
        return 0

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        data = espeakng_loader.get_data_path().encode()
        rate_hz = library.espeak_Initialize(_RETRIEVAL, 0, data, _PHONEME_EVENTS)
        if rate_hz != _ESPEAK_RATE:
            raise RuntimeError(
                f"espeak-ng did not start: expected {_ESPEAK_RATE} Hz, got {rate_hz}"
            )
        library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
        library.espeak_ng_SetRandSeed(1)
        library.espeak_SetSynthCallback(receive)
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise RuntimeError(f"espeak-ng knows no voice {voice!r}")
        library.espeak_SetParameter(_RATE, rate, 0)
        library.espeak_SetParameter(_PITCH, pitch, 0)
        library.espeak_SetParameter(_RANGE, 55, 0)
        data = text.encode() + b"\0"
        library.espeak_Synth(data, ctypes.c_size_t(len(data)), 0, 0, 0, _UTF8, None, None)
        library.espeak_Synchronize()
    finally:
        library.espeak_Terminate()
        _ctypes.dlclose(library._handle)
    return np.concatenate(chunks), events


def speak(*, text: str, voice: str, rate: int, pitch: int) -> Utterance:
    """Speak one sentence.

    Args:
        text: English.
        voice: espeak-ng voice with variant, such as "en-us+f3".
        rate: words a minute.
        pitch: espeak-ng's 0 to 99.

    Returns:
        Peak-normalised audio, the silence at both ends trimmed away, and its phonemes.
    """
    with _LOCK:
        wave, events = _synthesise(text=text, voice=voice, rate=rate, pitch=pitch)
    samples = resample_poly(wave.astype(np.float64) / 32768.0, 320, 441)
    ends = [sample for sample, _ in events[1:]] + [len(wave)]
    phonemes = []
    for (start, mnemonic), end in zip(events, ends, strict=True):
        name = mnemonic.strip("',=%")
        name = "_" if not name or name.startswith("_") else name
        if end > start:
            phonemes.append((name, start / _ESPEAK_RATE, end / _ESPEAK_RATE, "'" in mnemonic))
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    first = max(int(loud[0]) - 160, 0)
    last = min(int(loud[-1]) + 480, len(samples))
    shift, length = first / SAMPLE_RATE, (last - first) / SAMPLE_RATE
    moved = tuple(
        Phoneme(
            name=name,
            start_s=max(start - shift, 0.0),
            end_s=min(end - shift, length),
            is_stressed=stress,
        )
        for name, start, end, stress in phonemes
        if end - shift > 0.0 and start - shift < length
    )
    audio = samples[first:last]
    return Utterance(audio=(0.7 * audio / np.abs(audio).max()).astype(np.float32), phonemes=moved)
