"""Measures of pictures and sound move the way that they say."""

import numpy as np
import pytest

from data_prep.picture_quality import blockiness, brightness, sharpness
from data_prep.sound_quality import SpeechDetector, level_db, measure_sound
from data_prep.synth.speech import speak


def test_sharpness_falls_with_blur():
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 255, (1, 64, 64, 3), dtype=np.uint8)
    blurred = np.repeat(np.repeat(sharp[:, ::8, ::8], 8, axis=1), 8, axis=2)
    flat = np.full((1, 64, 64, 3), 100, np.uint8)
    values = [float(sharpness(item)[0]) for item in (sharp, blurred, flat)]
    assert 1 > values[0] > values[1] > values[2]
    assert values[2] == pytest.approx(0, abs=1e-3)


def test_blocks_are_seen_wherever_the_part_was_cut():
    smooth = np.linspace(0, 200, 128)[None, :, None] + np.linspace(0, 50, 96)[:, None, None]
    picture = np.repeat(smooth, 3, axis=-1).astype(np.uint8)
    blocks = picture[::8, ::8].repeat(8, axis=0).repeat(8, axis=1)
    assert blockiness(picture, left=0, top=0) == pytest.approx(1, abs=0.2)
    assert blockiness(blocks, left=0, top=0) > 5
    assert blockiness(blocks[3:, 5:], left=5, top=3) > 5
    assert blockiness(blocks[3:, 5:], left=0, top=0) < 1  # the grid is looked for elsewhere


def test_brightness_is_the_middles():
    frames = np.zeros((2, 40, 40, 3), np.uint8)
    frames[:, 10:30, 10:30] = 102
    assert brightness(frames) == pytest.approx(0.4)


def test_level_and_clipping():
    tone = 0.5 * np.sin(np.arange(16000) / 10)
    assert level_db(tone) == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.05)
    assert level_db(np.zeros(100)) == pytest.approx(-120)
    assert level_db(np.zeros(0)) == -120
    loud = np.clip(4 * tone, -1, 1)
    quality = measure_sound(loud, np.array([True, False, False, True]))
    assert quality.speech_share == 0.5
    assert quality.clipped_share == pytest.approx(2 * np.arccos(0.5) / np.pi, abs=0.01)
    assert measure_sound(tone, np.ones(4, bool)).clipped_share == 0


def test_speech_is_told_from_noise_tone_and_silence():
    net = SpeechDetector()
    spoken = speak(
        text="the quick brown fox jumps over the lazy dog", voice="en-us", rate=160, pitch=50
    ).audio
    loud = np.flatnonzero(np.abs(spoken) > 0.02)
    spoken = spoken[loud[0] : loud[-1]]
    silence = np.zeros(16000, np.float32)
    sound = np.concatenate((silence, spoken, silence)).astype(np.float32)
    found = net(sound)
    assert len(found) == -(-len(sound) // 640)
    first, last = np.flatnonzero(found)[[0, -1]]
    assert abs(first - 25) <= 5
    assert abs(last - (len(sound) - 16000) / 640) <= 6
    rng = np.random.default_rng(0)
    noise = (0.1 * rng.normal(size=48000)).astype(np.float32)
    tone = (0.3 * np.sin(np.arange(48000) / 8)).astype(np.float32)
    for other in (noise, tone, np.zeros(48000, np.float32)):
        assert net(other).mean() < 0.1
    assert net(sound).tolist() == found.tolist()  # nothing is carried over
