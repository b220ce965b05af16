"""Everything of a clip's motion that is not the mouth: head, gaze, lids, brows, emotion.

Only the head follows speech (nods on stressed syllables); gaze, blinks, brows and emotion are drawn
independently of it, so that lips can be told from the sound and from nothing else.
"""

from dataclasses import dataclass

import numpy as np

from data_prep.synth.speech import Phoneme
from data_prep.synth.state import EMOTIONS

YAW_LIMIT, PITCH_LIMIT, ROLL_LIMIT = np.deg2rad([27.0, 16.0, 11.0])
_TY_CENTRE = 0.03


@dataclass(frozen=True, kw_only=True)
class MotionTrack:
    """Motion of every frame; see data_prep.synth.state for units.

    Attributes:
        pose: `t 6`.
        gaze: `t 2`.
        blink, brow_raise, brow_frown: `t`.
        emotion: `t 8`.
    """

    pose: np.ndarray
    gaze: np.ndarray
    blink: np.ndarray
    brow_raise: np.ndarray
    brow_frown: np.ndarray
    emotion: np.ndarray


def _drift(rng: np.random.Generator, *, num_frames: int, fps: float, period_s: float) -> np.ndarray:
    """Smooth noise with unit variance over long times."""
    sigma = period_s * fps / 4.0
    reach = int(np.ceil(4 * sigma))
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.convolve(
        rng.normal(size=num_frames + 2 * reach), window / np.sqrt((window**2).sum()), "valid"
    )


def _nods(
    rng: np.random.Generator, *, phonemes: tuple[Phoneme, ...], times: np.ndarray
) -> np.ndarray:
    """Pitch (rad) of nods on stressed syllables, `t`: down on the vowel, more slowly back.

    The longer the vowel, the deeper: how far a head goes can be told from the sound, too.
    """
    pitch = np.zeros_like(times)
    last = -1.0
    for sound in phonemes:
        if not sound.is_stressed or sound.start_s - last < 0.45 or rng.uniform() > 0.9:
            continue
        last = sound.start_s
        middle = 0.5 * (sound.start_s + sound.end_s) + rng.normal(0.0, 0.02)
        depth = np.deg2rad(np.clip(28.0 * (sound.end_s - sound.start_s), 1.5, 7.0))
        after = times - middle
        pitch += depth * np.exp(-0.5 * (after / np.where(after < 0, 0.12, 0.30)) ** 2)
    return pitch


def _blinks(rng: np.random.Generator, *, times: np.ndarray) -> np.ndarray:
    """Lid closure, `t`: fast down, slower up, now and then held."""
    closed = np.zeros_like(times)
    at = rng.uniform(0.1, 2.0)
    while at < times[-1]:
        held = 0.05 if rng.uniform() < 0.75 else rng.uniform(0.15, 0.5)
        down = np.clip((times - (at - 0.09)) / 0.09, 0.0, 1.0)
        up = np.clip((at + held + 0.16 - times) / 0.16, 0.0, 1.0)
        depth = 1.0 if rng.uniform() < 0.8 else rng.uniform(0.4, 0.9)
        closed = np.maximum(closed, depth * np.minimum(down, up))
        at += held + 0.5 + rng.exponential(1.2)
    return closed


def _gaze(rng: np.random.Generator, *, times: np.ndarray) -> np.ndarray:
    """Saccades between fixations, `t 2`."""
    gaze = np.zeros((len(times), 2))
    look = rng.normal(0.0, [0.16, 0.08])
    at = 0.0
    gaze[:] = look
    while at < times[-1]:
        at += 0.25 + rng.exponential(0.6)
        target = np.zeros(2) if rng.uniform() < 0.3 else rng.uniform([-0.45, -0.20], [0.45, 0.22])
        moved = np.clip((times - at) / 0.06, 0.0, 1.0)[:, None]
        gaze = gaze * (1.0 - moved) + target * moved
    return gaze + rng.normal(0.0, 0.006, gaze.shape)


def _emotion(rng: np.random.Generator, *, num_frames: int) -> np.ndarray:
    """One feeling a clip over neutral, `8` repeated; its strength swells slowly."""
    feeling = int(rng.choice(len(EMOTIONS), p=[0.3, 0.2, 0.1, 0.1, 0.06, 0.06, 0.1, 0.08]))
    strength = 0.0 if feeling == 0 else rng.uniform(0.35, 0.9)
    weights = np.zeros((num_frames, len(EMOTIONS)))
    swell = 1.0 + 0.12 * np.sin(np.linspace(0, 3, num_frames) + rng.uniform(0, 6))
    weights[:, feeling] = np.clip(strength * swell, 0.0, 1.0)
    weights[:, 0] = 1.0 - weights[:, 1:].sum(axis=1)
    return weights


def motion_track(
    *, rng: np.random.Generator, phonemes: tuple[Phoneme, ...], num_frames: int, fps: float
) -> MotionTrack:
    """Motion of one clip.

    Args:
        rng: the clip's own generator.
        phonemes: for the nods alone.
        num_frames: frames; frame i is taken at its middle.
        fps: frames a second.
    """
    times = (np.arange(num_frames) + 0.5) / fps

    def drift(period_s: float) -> np.ndarray:
        return _drift(rng, num_frames=num_frames, fps=fps, period_s=period_s)

    yaw = np.deg2rad(rng.uniform(-13, 13) + 6.5 * drift(2.2) + 1.2 * drift(0.7))
    pitch = np.deg2rad(rng.uniform(-6, 6) + 3.0 * drift(2.0) + 0.8 * drift(0.7))
    pitch = pitch + _nods(rng, phonemes=phonemes, times=times)
    roll = np.deg2rad(rng.uniform(-4, 4) + 2.6 * drift(2.5) + 0.5 * drift(0.8))
    pose = np.stack(
        [
            np.clip(yaw, -YAW_LIMIT, YAW_LIMIT),
            np.clip(pitch, -PITCH_LIMIT, PITCH_LIMIT),
            np.clip(roll, -ROLL_LIMIT, ROLL_LIMIT),
            np.clip(rng.uniform(-0.04, 0.04) + 0.025 * drift(2.5), -0.12, 0.12),
            np.clip(_TY_CENTRE + rng.uniform(-0.03, 0.03) + 0.018 * drift(2.5), -0.1, 0.13),
            np.clip(rng.uniform(-0.05, 0.04) + 0.015 * drift(3.0), -0.1, 0.08),
        ],
        axis=1,
    )
    blink = _blinks(rng, times=times)
    gaze = _gaze(rng, times=times)
    brow_raise = np.clip(0.1 + 0.45 * drift(1.2), -0.7, 1.0)
    brow_frown = np.clip(0.4 * drift(1.5) - 0.15, 0.0, 1.0)
    emotion = _emotion(rng, num_frames=num_frames)
    made = {
        "pose": pose,
        "gaze": gaze,
        "blink": blink,
        "brow_raise": brow_raise,
        "brow_frown": brow_frown,
        "emotion": emotion,
    }
    return MotionTrack(**{name: values.astype(np.float32) for name, values in made.items()})
