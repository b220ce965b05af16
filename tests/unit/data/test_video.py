"""Videos written as their pictures come: their lengths, their sound's place, what errors leave."""

import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest

from vasa.data.video import AAC_RATES_HZ, SoundTrack, VideoWriter, write_video

CLICKS_S = (0.3, 1.0, 1.7)


def pictures(num: int, value: int = 90) -> np.ndarray:
    return np.full((num, 32, 48, 3), value, dtype=np.uint8)


def clicks(rate: int, seconds: float, *, channels: int = 1) -> np.ndarray:
    """Bursts of 10 ms around `CLICKS_S`."""
    samples = np.zeros((channels, round(rate * seconds)), np.float32)
    length = rate // 100
    burst = 0.7 * np.hanning(length) * np.sin(2 * np.pi * np.arange(length) / 8)
    for click in CLICKS_S:
        start = round(click * rate) - length // 2
        samples[:, start : start + length] = burst
    return samples


def track(samples: np.ndarray, rate: int, *, block: int = 1000) -> SoundTrack:
    parts = (samples[:, i : i + block] for i in range(0, samples.shape[1], block))
    return SoundTrack(rate_hz=rate, num_channels=len(samples), blocks=parts)


def read_back(path: Path) -> tuple[int, np.ndarray, float, float]:
    """Number of pictures, sound `c n`, and lengths of picture and sound in seconds."""
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        lengths = tuple(float(stream.duration * stream.time_base) for stream in (video, audio))
        num = sum(1 for _ in container.decode(video))
    with av.open(str(path)) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return num, np.concatenate(blocks, axis=1), *lengths


def click_times(sound: np.ndarray, rate: int) -> list[float]:
    """Centres of energy of the bursts (s)."""
    times = []
    for click in CLICKS_S:
        near = np.arange(round((click - 0.1) * rate), round((click + 0.1) * rate))
        energy = sound[0, near].astype(float) ** 2
        times.append(float((near * energy).sum() / energy.sum() / rate))
    return times


@pytest.mark.parametrize("rate", AAC_RATES_HZ)
@pytest.mark.parametrize("channels", [1, 2])
def test_sound_is_at_its_time_and_as_long_as_the_pictures(tmp_path, rate, channels):
    path = tmp_path / "a" / "clip.mp4"
    with VideoWriter(path, sound=track(clicks(rate, 2.6, channels=channels), rate)) as writer:
        for num in (1, 30, 19):
            writer.add(pictures(num))
    num, sound, video_s, audio_s = read_back(path)
    assert num == writer.num_frames == 50 and len(sound) == channels
    assert video_s == 2.0 and audio_s == pytest.approx(2.0, abs=1e-4)
    np.testing.assert_allclose(click_times(sound, rate), CLICKS_S, atol=1.5e-4)


def test_missing_sound_is_silence(tmp_path):
    path = tmp_path / "clip.mp4"
    write_video(path, pictures(50), clicks(16_000, 2.6)[0, :19_200])
    _, sound, _, audio_s = read_back(path)
    assert audio_s == pytest.approx(2.0)
    assert np.abs(sound[0, 8000:]).max() > 0.2 and np.abs(sound[0, 21_000:]).max() < 0.01


def test_pieces_and_the_whole_give_the_same_file(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (60, 32, 32, 3), dtype=np.uint8)
    sound = clicks(16_000, 2.4)
    write_video(tmp_path / "whole.mp4", frames, sound[0])
    with VideoWriter(tmp_path / "pieces.mp4", sound=track(sound, 16_000)) as writer:
        for part in np.split(frames, [25, 50]):
            writer.add(part)
    whole, pieces = ((tmp_path / f"{name}.mp4").read_bytes() for name in ("whole", "pieces"))
    assert whole == pieces


def test_an_error_leaves_nothing_and_spares_the_old_file(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), VideoWriter(path) as writer:
        writer.add(pictures(3))
        raise RuntimeError
    with pytest.raises(ValueError, match="at least one picture"), VideoWriter(path):
        pass
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_unknown_rates_are_refused(tmp_path):
    with pytest.raises(ValueError, match="7000"):
        VideoWriter(tmp_path / "a.mp4", sound=track(clicks(7000, 1.8), 7000))


def test_no_more_sound_is_read_than_there_are_pictures(tmp_path):
    read = []

    def blocks():
        for second in range(100):
            read.append(second)
            yield np.zeros((2, 48_000), np.float32)

    sound = SoundTrack(rate_hz=48_000, num_channels=2, blocks=blocks())
    with VideoWriter(tmp_path / "a.mp4", sound=sound) as writer:
        for second in range(4):
            writer.add(pictures(25))
            assert len(read) == second + 1


def test_arrays_held_do_not_grow_with_the_video(tmp_path):
    tracemalloc.start()
    with VideoWriter(tmp_path / "a.mp4", sound=track(clicks(8000, 30), 8000)) as writer:
        writer.add(pictures(50))
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10):
            writer.add(pictures(50))
        after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 300_000, "ten batches of 230 kB"
