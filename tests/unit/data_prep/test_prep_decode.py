"""Foreign clips at 25 pictures a second by timestamps, and sound that starts with the picture."""

import subprocess

import numpy as np
import pytest

from data_prep.decode import nearest_in_time, probe, read_sound, stream_frames
from data_prep.drops import Dropped, Reason


def _ffmpeg(*words):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, words)], check=True)


def _make(path, *, fps, seconds, extra=(), sound="sine=frequency=440:sample_rate=44100"):
    """A clip whose brightness rises with time, 255 over 4 s, with a tone."""
    picture = (
        f"nullsrc=s=64x48:r={fps},format=gray,geq=lum='min(255,T*64)',"
        "format=yuv420p,setparams=range=pc"
    )
    _ffmpeg(
        *("-f", "lavfi", "-t", seconds, "-i", picture),
        *("-f", "lavfi", "-t", seconds, "-i", sound),
        *("-c:v", "libx264", "-crf", "5", "-c:a", "aac", *extra, path),
    )
    return path


@pytest.mark.parametrize("fps", [15, 24, 25, 29.97, 30, 50, 60])
def test_constant_rates_become_25(fps):
    num = round(2 * fps)
    found = list(nearest_in_time(iter([(3.0 + i / fps, i / fps) for i in range(num)])))
    assert len(found) == pytest.approx(50, abs=1)
    wanted = np.arange(len(found)) / 25
    assert np.abs(np.array(found) - wanted).max() <= 0.5 / fps + 1e-6


def test_same_rate_is_the_identity():
    items = [(i / 25, i) for i in range(40)]
    assert list(nearest_in_time(iter(items))) == list(range(40))


def test_variable_rate_goes_by_time_not_by_count():
    times = [0.0, 0.04, 0.08, 0.60, 0.64]  # half a second of nothing new
    found = list(nearest_in_time((time, time) for time in times))
    assert len(found) == 17
    assert found[:3] == [0.0, 0.04, 0.08]
    assert found[8] == 0.08  # 0.32 s is nearer to 0.08 than to 0.60
    assert found[9] == 0.60  # 0.36 s is not
    assert found[-2:] == [0.60, 0.64]


def test_no_and_one_picture():
    assert list(nearest_in_time(iter([]))) == []
    assert list(nearest_in_time(iter([(5.0, "only")]))) == ["only"]


def test_30_fps_video_keeps_its_time(tmp_path):
    frames = np.stack(list(stream_frames(_make(tmp_path / "a.mp4", fps=30, seconds=2))))
    assert frames.shape == (50, 48, 64, 3)
    level = frames.mean(axis=(1, 2, 3))
    slope = np.polyfit(np.arange(50) / 25, level, 1)[0]
    assert slope == pytest.approx(64, rel=0.2)
    assert np.abs(level - np.polyval(np.polyfit(np.arange(50), level, 1), np.arange(50))).max() < 3


def test_sound_starts_with_the_picture(tmp_path):
    click = "aevalsrc='if(between(t,0.5,0.51),0.8*sin(2*PI*1000*t),0)':s=44100"
    path = _make(tmp_path / "a.mp4", fps=25, seconds=2, sound=click)
    sound = read_sound(path)
    assert sound.dtype == np.float32
    assert len(sound) == pytest.approx(32000, abs=1100)
    first = np.flatnonzero(np.abs(sound) > 0.2)[0] / 16000
    assert first == pytest.approx(0.5, abs=0.003)
    late = tmp_path / "late.mkv"
    _ffmpeg("-i", path, "-itsoffset", "0.3", "-i", path, "-map", "0:v", "-map", "1:a",
            "-c", "copy", late)  # fmt: skip
    first = np.flatnonzero(np.abs(read_sound(late)) > 0.2)[0] / 16000
    assert first == pytest.approx(0.8, abs=0.003)


def test_stereo_at_8_khz_becomes_mono_at_16_khz(tmp_path):
    tone = "sine=frequency=300:sample_rate=8000,pan=stereo|c0=c0|c1=c0"
    path = _make(tmp_path / "a.mkv", fps=25, seconds=1, sound=tone, extra=("-c:a", "pcm_s16le"))
    sound = read_sound(path)
    assert len(sound) == pytest.approx(16000, abs=40)
    spectrum = np.abs(np.fft.rfft(sound[:16000]))
    assert spectrum.argmax() == pytest.approx(300, abs=2)


def test_rotated_and_stretched_pictures_come_upright(tmp_path):
    path = _make(tmp_path / "a.mp4", fps=25, seconds=1)
    turned = tmp_path / "turned.mp4"
    try:
        _ffmpeg("-display_rotation", "90", "-i", path, "-c", "copy", turned)
    except subprocess.CalledProcessError:  # before ffmpeg 6
        _ffmpeg("-i", path, "-c", "copy", "-metadata:s:v:0", "rotate=90", turned)
    assert next(stream_frames(turned)).shape == (64, 48, 3)
    wide = _make(tmp_path / "wide.mp4", fps=25, seconds=1, extra=("-vf", "setsar=2/1"))
    assert next(stream_frames(wide)).shape == (48, 128, 3)


def test_reasons_for_what_cannot_be_read(tmp_path):
    junk = tmp_path / "junk.mp4"
    junk.write_bytes(b"this is no video" * 100)
    with pytest.raises(Dropped) as caught:
        probe(junk)
    assert caught.value.reason == Reason.UNDECODABLE
    whole = _make(tmp_path / "a.mp4", fps=25, seconds=2)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(Dropped) as caught:
        probe(cut)
    assert caught.value.reason == Reason.UNDECODABLE
    mute = tmp_path / "mute.mp4"
    _ffmpeg("-i", whole, "-an", "-c", "copy", mute)
    assert not probe(mute).has_audio
    with pytest.raises(Dropped) as caught:
        read_sound(mute)
    assert caught.value.reason == Reason.NO_AUDIO
    blind = tmp_path / "blind.mp4"
    _ffmpeg("-i", whole, "-vn", "-c", "copy", blind)
    with pytest.raises(Dropped) as caught:
        probe(blind)
    assert caught.value.reason == Reason.NO_VIDEO


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mpg"])
def test_a_stretch_is_what_the_whole_shows_there(tmp_path, suffix):
    """Picture and sound of [start_s, end_s), also between key frames."""
    click = "aevalsrc='if(between(t,2.3,2.31),0.8*sin(2*PI*1000*t),0)':s=44100"
    extra = ("-c:v", "mpeg1video", "-q:v", "2", "-c:a", "mp2") if suffix == "mpg" else ()
    path = _make(tmp_path / f"a.{suffix}", fps=25, seconds=4, sound=click, extra=extra)
    whole = np.stack(list(stream_frames(path))).mean(axis=(1, 2, 3))
    part = np.stack(list(stream_frames(path, start_s=1.2, end_s=3.0))).mean(axis=(1, 2, 3))
    assert len(part) == 45
    np.testing.assert_allclose(part, whole[30:75], atol=1e-6)
    sound = read_sound(path, start_s=1.2, end_s=3.0)
    assert len(sound) == pytest.approx(1.8 * 16000, abs=1200)
    first = np.flatnonzero(np.abs(sound) > 0.2)[0] / 16000
    assert first == pytest.approx(1.1, abs=0.005)


def test_a_region_is_cut_out_with_its_surroundings(tmp_path):
    path = _make(tmp_path / "a.mp4", fps=25, seconds=0.2)
    assert next(stream_frames(path, region=(0.25, 0.25, 0.5, 0.75))).shape == (48, 32, 3)
    assert next(stream_frames(path, region=(0.0, 0.0, 1.0, 1.0))).shape == (48, 64, 3)


def test_a_stretch_beyond_the_end_is_empty(tmp_path):
    path = _make(tmp_path / "a.mp4", fps=25, seconds=1)
    assert list(stream_frames(path, start_s=5.0, end_s=6.0)) == []
