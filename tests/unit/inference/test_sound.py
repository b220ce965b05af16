"""Sound of every kind that people have: what the model hears, and what the video carries."""

import subprocess

import av
import numpy as np
import pytest
import soundfile

from vasa.data.audio import read_audio
from vasa.data.video import VideoWriter
from vasa.inference.sound import conversion_notice, original_sound, read_speech, sound_facts
from vasa.types import InputError

CLICKS_S = (0.3, 1.0, 1.7)
RATE = 44_100
# file -> FFmpeg's words, rate and channels in the video
KINDS = {
    "a.mp3": ([], 44_100, 2),
    "a.m4a": (["-c:a", "aac"], 44_100, 2),
    "a.ogg": (["-c:a", "libvorbis"], 44_100, 2),
    "a.opus": (["-c:a", "libopus"], 48_000, 2),
    "a.flac": (["-ar", "96000"], 96_000, 2),
    "a.aiff": (["-ac", "1"], 44_100, 1),
    "phone.wav": (["-ar", "8000", "-ac", "1", "-c:a", "pcm_mulaw"], 8000, 1),
    "odd.wav": (["-ar", "7000"], 8000, 2),
    "studio.wav": (["-ar", "192000", "-c:a", "pcm_s24le"], 48_000, 2),
    "surround.wav": (["-af", "pan=5.1|FL=FL|FR=FR|FC=FL|LFE=FL|BL=FL|BR=FR"], 44_100, 2),
    "video.mp4": (["-f", "lavfi", "-i", "color=s=32x32:d=2:r=25", "-shortest"], 44_100, 2),
    "video.webm": (["-f", "lavfi", "-i", "color=s=32x32:d=2:r=25", "-shortest"], 48_000, 2),
}


@pytest.fixture(scope="module")
def bursts(tmp_path_factory):
    """Bursts of 10 ms at `CLICKS_S`, louder on the left, stereo at 44.1 kHz."""
    length = RATE // 100
    burst = 0.6 * np.hanning(length) * np.sin(2 * np.pi * 1000 * np.arange(length) / RATE)
    samples = np.zeros((2 * RATE, 2))
    for click in CLICKS_S:
        start = round(click * RATE) - length // 2
        samples[start : start + length] = burst[:, None] * [1, 0.5]
    path = tmp_path_factory.mktemp("sound") / "bursts.wav"
    soundfile.write(path, samples, RATE)
    return path


def click_times(sound: np.ndarray, rate: int) -> list[float]:
    times = []
    for click in CLICKS_S:
        near = np.arange(round((click - 0.1) * rate), round((click + 0.1) * rate))
        energy = sound[near].astype(float) ** 2
        times.append(float((near * energy).sum() / energy.sum() / rate))
    return times


@pytest.mark.parametrize("name", KINDS)
def test_the_video_says_what_the_model_hears_when_it_hears_it(bursts, tmp_path, name):
    words, rate, channels = KINDS[name]
    path = tmp_path / name
    subprocess.run(["ffmpeg", "-v", "error", "-i", bursts, *words, path], check=True)
    heard = read_speech(path).numpy()
    with VideoWriter(tmp_path / "out.mp4", sound=original_sound(path)) as writer:
        writer.add(np.zeros((round(len(heard) / 640), 16, 16, 3), np.uint8))
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.audio[0]
        assert (stream.rate, stream.channels) == (rate, channels)
        sound = np.concatenate([f.to_ndarray() for f in container.decode(stream)], axis=1)
    np.testing.assert_allclose(click_times(sound[0], rate), click_times(heard, 16_000), atol=2e-4)
    np.testing.assert_allclose(click_times(sound[0], rate), CLICKS_S, atol=5e-4)
    if channels == 2 and "surround" not in name:
        assert np.abs(sound[1]).max() / np.abs(sound[0]).max() == pytest.approx(0.5, abs=0.1)


def test_sound_that_changes_its_kind_is_told_of(bursts, tmp_path):
    mono = tmp_path / "mono.ogg"
    stereo = tmp_path / "stereo.ogg"
    for path, words in ((mono, ["-ac", "1", "-ar", "22050"]), (stereo, [])):
        subprocess.run(
            ["ffmpeg", "-v", "error", "-i", bursts, *words, "-c:a", "libvorbis", path], check=True
        )
    both = tmp_path / "both.ogg"
    both.write_bytes(mono.read_bytes() + stereo.read_bytes())
    with pytest.raises(InputError, match=r"both\.ogg"):
        read_speech(both)


def test_the_notice_says_what_the_model_does_not_hear(bursts, tmp_path):
    assert "2 channels mixed to one, 44100 Hz" in conversion_notice(bursts)
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 8000)
    assert "above 4000 Hz" in conversion_notice(tmp_path / "a.wav")
    soundfile.write(tmp_path / "b.wav", np.zeros(1600), 16_000)
    assert conversion_notice(tmp_path / "b.wav") is None
    assert sound_facts(bursts).num_channels == 2
    assert len(read_audio(bursts)) == 32_000
