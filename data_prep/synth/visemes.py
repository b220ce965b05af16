"""From phonemes to mouth shapes over time, with coarticulation.

Each phoneme has a target and, for each part of the mouth, how firmly it insists on it (its
dominance). The targets are blended by dominance under a smooth window, which starts a little
before the sound, as speakers anticipate; sounds that close the lips (p b m) or tuck them (f v)
then enforce it, however short. After Cohen and Massaro's dominance model (1993), with a Gaussian
window."""

from dataclasses import dataclass

import numpy as np

from data_prep.synth.speech import Phoneme

_RATE_HZ = 200
_WINDOW_S = 0.038
_LEAD_S = 0.035


@dataclass(frozen=True, kw_only=True)
class Viseme:
    """Target of one sound: opening in outer-eye-corner distances, the rest 0 to 1.

    `firm` is the dominance of the opening, `round_firm` that of rounding and stretch.
    """

    opening: float
    stretch: float = 1.0
    rounding: float = 0.0
    teeth: float = 0.0
    tuck: float = 0.0
    tongue: float = 0.0
    closed: float = 0.0
    firm: float = 1.0
    round_firm: float = 1.0


_OPEN_A = Viseme(opening=0.30, stretch=0.98, firm=1.6)
_E = Viseme(opening=0.19, stretch=1.10, firm=1.2)
_I = Viseme(opening=0.10, stretch=1.16, teeth=0.3, firm=1.0)
_O = Viseme(opening=0.20, stretch=0.92, rounding=0.75, firm=1.4, round_firm=2.0)
_U = Viseme(opening=0.085, stretch=0.90, rounding=1.0, firm=1.2, round_firm=2.2)
_SCHWA = Viseme(opening=0.14, firm=0.7, round_firm=0.5)
_CLOSED = Viseme(opening=0.0, closed=1.0, firm=1.5, round_firm=0.3)
_LIP_TEETH = Viseme(opening=0.035, tuck=1.0, firm=2.0, round_firm=0.4)
_SIBILANT = Viseme(opening=0.075, stretch=1.06, teeth=1.0, firm=1.4, round_firm=0.5)
_HUSH = Viseme(opening=0.085, stretch=0.94, rounding=0.6, teeth=0.9, firm=1.4, round_firm=1.2)
_TIP = Viseme(opening=0.095, teeth=0.5, tongue=0.6, firm=0.8, round_firm=0.3)
_TH = Viseme(opening=0.085, teeth=0.3, tongue=1.0, firm=1.0, round_firm=0.3)
_L = Viseme(opening=0.12, tongue=0.9, firm=0.8, round_firm=0.3)
_BACK = Viseme(opening=0.12, firm=0.6, round_firm=0.3)
_R = Viseme(opening=0.095, stretch=0.95, rounding=0.45, firm=0.8, round_firm=1.0)
_W = Viseme(opening=0.05, stretch=0.88, rounding=1.0, firm=1.6, round_firm=2.4)
_SILENCE = Viseme(opening=0.0, firm=1.0, round_firm=0.8)

_VISEMES: dict[str, tuple[Viseme, ...]] = {
    **dict.fromkeys(("a", "aa", "A:", "A", "0", "A@", "A#"), (_OPEN_A,)),
    **dict.fromkeys(("V", "a#", "VR"), (Viseme(opening=0.22, firm=1.2),)),
    **dict.fromkeys(("E", "e@", "E2", "e"), (_E,)),
    **dict.fromkeys(("I", "I2", "I#", "i", "i:", "i@", ";", "j"), (_I,)),
    **dict.fromkeys(("O:", "O", "O@", "o@", "O2", "o"), (_O,)),
    **dict.fromkeys(("u:", "U", "U@", "u"), (_U,)),
    **dict.fromkeys(("@", "@2", "@-", "3", "3:", "@5"), (_SCHWA,)),
    "@L": (_SCHWA, _L),
    **dict.fromkeys(("aI", "aI2", "aI@"), (_OPEN_A, _OPEN_A, _I)),
    "eI": (_E, _I),
    "OI": (_O, _O, _I),
    **dict.fromkeys(("aU", "aU@"), (_OPEN_A, _OPEN_A, _U)),
    "oU": (_O, _U),
    **dict.fromkeys(("p", "b", "m", "m-"), (_CLOSED,)),
    **dict.fromkeys(("f", "v"), (_LIP_TEETH,)),
    **dict.fromkeys(("s", "z"), (_SIBILANT,)),
    **dict.fromkeys(("S", "Z", "tS", "dZ"), (_HUSH,)),
    **dict.fromkeys(("t", "d", "n", "t#", "n-", "t2", "d#"), (_TIP,)),
    **dict.fromkeys(("T", "D"), (_TH,)),
    "l": (_L,),
    **dict.fromkeys(("k", "g", "N", "h", "x", "?"), (_BACK,)),
    **dict.fromkeys(("r", "r-", "R", "*"), (_R,)),
    **dict.fromkeys(("w", "w#"), (_W,)),
    "_": (_SILENCE,),
}
LIP_CLOSURES = frozenset(("p", "b", "m", "m-"))


def visemes_of(name: str) -> tuple[Viseme, ...]:
    """Targets of a phoneme in order; an unknown one: its first letter's, then schwa."""
    return _VISEMES.get(name) or _VISEMES.get(name[:1]) or (_SCHWA,)


@dataclass(frozen=True, kw_only=True)
class MouthTrack:
    """Mouth of every frame, each `t`; see data_prep.synth.state for units."""

    opening: np.ndarray
    stretch: np.ndarray
    rounding: np.ndarray
    teeth: np.ndarray
    tuck: np.ndarray
    tongue: np.ndarray


def _hold(times: np.ndarray, start: float, end: float, ramp: float) -> np.ndarray:
    """1 from start to end, smooth ramps outside."""
    far = np.maximum(np.maximum(start - times, times - end), 0.0) / ramp
    level = np.clip(1.0 - far, 0.0, 1.0)
    return level * level * (3.0 - 2.0 * level)


def mouth_track(
    *, phonemes: tuple[Phoneme, ...], num_frames: int, fps: float, articulation: float
) -> MouthTrack:
    """Mouth shapes of a clip.

    Args:
        phonemes: sounds in order; times between them are silence.
        num_frames: frames; frame i is taken at its middle, (i + 0.5) / fps.
        fps: frames a second.
        articulation: scales the opening.
    """
    times = np.arange(int(np.ceil(num_frames / fps * _RATE_HZ)) + 1) / _RATE_HZ
    names = ("opening", "stretch", "rounding", "teeth", "tuck", "tongue")
    target = {name: np.full(len(times), getattr(_SILENCE, name)) for name in names}
    firm, round_firm = np.full(len(times), 0.6), np.full(len(times), 0.6)
    closing, tucking = np.zeros(len(times)), np.zeros(len(times))
    for sound in phonemes:
        parts = visemes_of(sound.name)
        length = (sound.end_s - sound.start_s) / len(parts)
        for i, part in enumerate(parts):
            start = sound.start_s + i * length
            at = (times >= start - _LEAD_S) & (times < start + length - _LEAD_S)
            stress = 1.0 if sound.is_stressed or part.firm < 0.8 else 0.86
            for name in names:
                target[name][at] = getattr(part, name)
            target["opening"][at] *= stress * articulation
            firm[at], round_firm[at] = part.firm, part.round_firm
            middle = start + 0.5 * length
            hold = max(length - 0.02, 0.045)
            if part.closed:
                closing = np.maximum(
                    closing, _hold(times, middle - 0.5 * hold, middle + 0.5 * hold, 0.055)
                )
            if part.tuck:
                tucking = np.maximum(
                    tucking, _hold(times, middle - 0.5 * hold, middle + 0.5 * hold, 0.055)
                )
    reach = np.arange(-4 * _WINDOW_S, 4 * _WINDOW_S + 1e-9, 1 / _RATE_HZ)
    window = np.exp(-0.5 * (reach / _WINDOW_S) ** 2)

    def blend(name: str, weight: np.ndarray) -> np.ndarray:
        pad = len(window) // 2
        wide = lambda v: np.convolve(np.pad(v, pad, mode="edge"), window, mode="valid")  # noqa: E731
        return wide(target[name] * weight) / wide(weight)

    track = {
        name: blend(name, round_firm if name in ("stretch", "rounding") else firm) for name in names
    }
    track["opening"] = track["opening"] * (1.0 - closing)
    track["opening"] = track["opening"] * (1.0 - tucking) + 0.035 * tucking * (1.0 - closing)
    track["tuck"] = tucking * (1.0 - closing)
    middles = (np.arange(num_frames) + 0.5) / fps
    sampled = {
        name: np.interp(middles, times, values).astype(np.float32) for name, values in track.items()
    }
    return MouthTrack(**sampled)


def phoneme_labels(*, phonemes: tuple[Phoneme, ...], num_frames: int, fps: float) -> np.ndarray:
    """The phoneme at the middle of each frame, `t` of `<U4`; "_" in silence."""
    labels = np.full(num_frames, "_", dtype="<U4")
    middles = (np.arange(num_frames) + 0.5) / fps
    for sound in phonemes:
        labels[(middles >= sound.start_s) & (middles < sound.end_s)] = sound.name
    return labels
