"""Foreign clips at 25 pictures a second by timestamps, and sound that starts with the picture."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
from awkward_files import woven, write_movie  # pyright: ignore

from data_prep import container, decode
from data_prep.container import check_file, probe
from data_prep.decode import nearest_in_time, stream_frames
from data_prep.decode_sound import read_sound
from data_prep.drops import Dropped, Reason
from data_prep.layouts import folder

EVENT_S = 0.8
HALF_FRAME_S = 0.02


def _ffmpeg(*words):
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs the ffmpeg program, which this machine does not have")
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


def _flash(*, fps=25, height=96, width=128, seconds=1.6):
    """Grey pictures; from `EVENT_S` on they are white in the upper half."""
    pictures = np.full((round(seconds * fps), height, width, 3), 40, np.uint8)
    pictures[round(EVENT_S * fps) :, : height // 2] = 230
    return pictures


def _click(*, rate_hz=16000, seconds=1.6):
    """Quiet until `EVENT_S`, then a tone."""
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * 1000 * time) * (time >= EVENT_S)).astype(np.float32)


def _event_times(path, **stretch):
    """When picture and sound change, seconds."""
    level = np.stack([p.mean(axis=(0, 1, 2)) for p in stream_frames(path, **stretch)])
    sound = read_sound(path, **stretch)
    loud = np.abs(sound) > 0.15
    assert level.max() > 110
    assert loud.any()
    return np.flatnonzero(level > (level.min() + level.max()) / 2)[0] / 25, np.argmax(loud) / 16000


_MPEG2 = {"codec": "mpeg2video", "sound_codec": "mp2", "coding": {"b": "4000000"}}
_INTERLACED = {**_MPEG2, "coding": {"b": "4000000", "flags": "+ildct+ilme"}}
_OFFSETS_S = np.tile([0.0, 0.013, -0.007, 0.01], 10)
MOVIES = {
    "plain.mp4": {},
    "b_frames.avi": {"coding": {"bf": "3", "b_strategy": "0"}, "sound_codec": "pcm_s16le"},
    "mpeg2.mpg": {**_MPEG2},
    "stream.ts": {},
    "webm.webm": {"codec": "libvpx", "sound_codec": "libopus"},
    "interlaced.mpg": _INTERLACED,
    "interlaced.mkv": {"coding": {"flags": "+ildct+ilme"}},
    "variable.mkv": {"times_s": list(np.arange(40) / 25 + _OFFSETS_S)},
    "turned.mp4": {"rotation": 180},
    "no_duration.mkv": {"muxing": {"live": "1"}},
    "mono_8_khz.mkv": {"sound_hz": 8000, "sound_codec": "pcm_s16le"},
    "surround_96_khz.mkv": {"sound_hz": 96000, "layout": "5.1", "sound_codec": "flac"},
    "stereo_44_khz.mov": {"sound_hz": 44100, "layout": "stereo"},
}


@pytest.mark.parametrize("name", MOVIES)
def test_a_flash_and_a_click_stay_together(tmp_path, name):
    how = MOVIES[name]
    pictures = _flash()
    if "interlaced" in name:
        pictures = woven(pictures)
    if how.get("rotation") == 180:
        pictures = pictures[:, ::-1, ::-1]
    rate_hz = how.get("sound_hz", 48000)
    how = {"sound_hz": rate_hz, **how}
    path = write_movie(tmp_path / name, pictures, _click(rate_hz=rate_hz), **how)
    seen, heard = _event_times(path)
    assert abs(seen - heard) <= HALF_FRAME_S + 1e-6
    assert seen == pytest.approx(EVENT_S, abs=0.04)
    seen, heard = _event_times(path, start_s=0.4, end_s=1.2)
    assert abs(seen - heard) <= HALF_FRAME_S + 1e-6
    assert seen == pytest.approx(EVENT_S - 0.4, abs=0.04)


@pytest.mark.parametrize("shift_s", [-0.32, -0.08, 0.07, 0.4])
@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_sound_that_starts_before_or_after_the_picture(tmp_path, shift_s, suffix):
    """What is later in the file is later in the clip, whichever of both comes first."""
    start = {"sound_start_s": shift_s} if shift_s > 0 else {"picture_start_s": -shift_s}
    path = write_movie(tmp_path / f"a.{suffix}", _flash(), _click(), **start)
    seen, heard = _event_times(path)
    assert seen == pytest.approx(EVENT_S, abs=0.001)
    assert heard - seen == pytest.approx(shift_s, abs=HALF_FRAME_S)


def test_a_hole_in_the_sound_is_silence(tmp_path):
    """What comes after it stays with its picture."""
    whole = write_movie(tmp_path / "a.mkv", _flash(), _click(), sound_codec="pcm_s16le")
    torn = tmp_path / "torn.mkv"
    with av.open(str(whole)) as source, av.open(str(torn), "w") as output:
        streams = {s.index: output.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.size == 0:  # the end
                continue
            time_s = float((packet.pts or 0) * packet.time_base)
            if packet.stream.type == "audio" and 0.2 < time_s < 0.6:
                continue
            packet.stream = streams[packet.stream.index]
            output.mux(packet)
    seen, heard = _event_times(torn)
    assert abs(seen - heard) <= HALF_FRAME_S
    assert len(read_sound(torn)) == pytest.approx(len(read_sound(whole)), abs=320)


def test_only_interlaced_pictures_are_deinterlaced(tmp_path):
    """A bar that moves fast has combed edges in them, and none in what comes out."""
    pictures = np.full((20, 96, 128, 3), 30, np.uint8)
    for index in range(20):
        pictures[index, :, 5 * index : 5 * index + 20] = 220

    def combs(path):
        stack = np.stack(list(stream_frames(path))).astype(float).mean(axis=-1)
        assert len(stack) == 20
        return np.abs(2 * stack[:, 1:-1] - stack[:, :-2] - stack[:, 2:]).mean()

    plain = {"codec": "mpeg2video", "coding": {"b": "8000000"}}
    flagged = {**plain, "coding": {"b": "8000000", "flags": "+ildct+ilme"}}
    whole = combs(write_movie(tmp_path / "whole.mpg", pictures, None, **plain))
    combed = combs(write_movie(tmp_path / "combed.mpg", woven(pictures), None, **plain))
    cured = combs(write_movie(tmp_path / "cured.mpg", woven(pictures), None, **flagged))
    assert combed > 8 * whole  # nothing says that it is interlaced: left as it is
    assert cured < combed / 4


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_metadata_turns_the_picture_upright(tmp_path, degrees):
    upright = _flash(height=64, width=96)
    stored = np.rot90(upright, -degrees // 90, axes=(1, 2))
    found = list(stream_frames(write_movie(tmp_path / "a.mp4", stored, None, rotation=degrees)))
    assert found[-1].shape == (64, 96, 3)
    assert found[-1][:28].mean() > found[-1][36:].mean() + 100


def test_odd_sizes_keep_every_pixel(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 255, (3, 97, 131, 3), dtype=np.uint8)
    path = write_movie(tmp_path / "a.mkv", pictures, None, codec="ffv1", pixels="bgr0")
    np.testing.assert_array_equal(np.stack(list(stream_frames(path))), pictures)


def test_a_cover_is_no_video(tmp_path):
    cover = np.full((200, 200, 3), 255, np.uint8)
    path = write_movie(tmp_path / "a.mp4", _flash(), _click(), cover=cover)
    assert probe(path).width == 128
    assert next(stream_frames(path)).shape == (96, 128, 3)
    sound_only = write_movie(tmp_path / "b.mp4", None, _click(), cover=cover)
    for read in (probe, lambda p: list(stream_frames(p)), read_sound):
        with pytest.raises(Dropped) as caught:
            read(sound_only)
        assert caught.value.reason == Reason.NO_VIDEO


def test_the_bit_rate_is_never_more_than_the_file_holds(tmp_path):
    for name, how in {"a.mp4": {}, "a.mpg": {**_MPEG2, "codec": "mpeg1video"}, "a.mkv": {}}.items():
        path = write_movie(tmp_path / name, _flash(), _click(rate_hz=48000), sound_hz=48000, **how)
        assert 0 < probe(path).bit_rate <= 8 * path.stat().st_size / 1.5
    live = write_movie(tmp_path / "live.mkv", _flash(), None, muxing={"live": "1"})
    assert (probe(live).duration_s, probe(live).bit_rate) == (0, 0)


def _fate(path):
    try:
        count = len(list(stream_frames(path)))
        return count, read_sound(path).tobytes()
    except Dropped as drop:
        return str(drop)


@pytest.mark.parametrize("suffix", ["mp4", "mpg"])
def test_a_cut_file_has_one_fate(tmp_path, suffix):
    how = {"muxing": {"movflags": "faststart"}} if suffix == "mp4" else _MPEG2
    noise = np.random.default_rng(0).integers(0, 255, (40, 96, 128, 3), dtype=np.uint8)
    rate_hz = 48000
    whole = write_movie(tmp_path / f"a.{suffix}", noise, _click(rate_hz=rate_hz),
                        sound_hz=rate_hz, **how)  # fmt: skip
    content = whole.read_bytes()
    assert _fate(whole)[0] == 40
    for percent in (0, 1, 20, 50, 80, 99):
        cut = tmp_path / f"cut.{suffix}"
        cut.write_bytes(content[: len(content) * percent // 100])
        fate = _fate(cut)
        assert isinstance(fate, str) or fate[0] <= 40
        assert all(_fate(cut) == fate for _ in range(3))


def test_what_is_no_plain_file_is_unreadable_and_never_waited_for(tmp_path):
    pipe, link, loop = (tmp_path / f"{name}.mp4" for name in ("pipe", "link", "loop"))
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "nothing.mp4")
    loop.symlink_to(loop)
    mailbox = tmp_path / "socket.mp4"
    place = os.getcwd()
    os.chdir(tmp_path)  # a socket's path is at most 107 bytes long
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(mailbox.name)
    finally:
        os.chdir(place)
    found = {source.path.name: source.path for source in folder(tmp_path)}
    assert sorted(found) == ["link.mp4", "loop.mp4", "pipe.mp4", "socket.mp4"]
    wanted = dict.fromkeys((pipe, loop, mailbox, tmp_path, Path("/dev/null")), Reason.UNREADABLE)
    wanted |= {link: Reason.MISSING, tmp_path / ("x" * 300): Reason.MISSING}
    wanted |= {Path("a\0b"): Reason.MISSING}
    for path, reason in wanted.items():
        for read in (check_file, probe, lambda p: list(stream_frames(p)), read_sound):
            with pytest.raises(Dropped) as caught:
                read(path)
            assert caught.value.reason == reason


def test_no_permission_is_unreadable(tmp_path, monkeypatch):
    path = write_movie(tmp_path / "a.mp4", _flash(), None)

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(container.av, "open", refuse)
    with pytest.raises(Dropped) as caught:
        probe(path)
    assert caught.value.reason == Reason.UNREADABLE


def test_folders_are_walked_once_and_a_closed_one_is_listed(tmp_path, monkeypatch):
    root, outside = tmp_path / "raw", tmp_path / "elsewhere"
    for path in (root / "anna" / "a.mp4", root / "closed" / "b.mp4", outside / "c.mp4"):
        path.parent.mkdir(parents=True)
        path.touch()
    (root / "anna" / "again").symlink_to(root)
    (root / "up").symlink_to(tmp_path)
    (root / "linked").symlink_to(outside)
    (outside / "back").symlink_to(outside)
    scandir = os.scandir

    def closed(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    found = [source.path.relative_to(root).as_posix() for source in folder(root)]
    assert found == ["anna/a.mp4", "closed", "linked/c.mp4"]


def test_a_playlist_opens_nothing(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile pipe.mp4\n")
    (tmp_path / "hls.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\npipe.mp4\n")
    for name in ("list.mp4", "hls.mp4"):
        with pytest.raises(Dropped) as caught:
            probe(tmp_path / name)
        assert caught.value.reason == Reason.UNDECODABLE


def test_a_jump_of_the_clock_is_damage():
    with pytest.raises(Dropped) as caught:
        list(decode._ascending(iter([(0.0, 1), (0.04, 2), (95443.7, 3)])))
    assert caught.value.reason == Reason.UNDECODABLE
    assert list(decode._ascending(iter([(0.0, 1), (0.04, 2), (0.02, 3), (0.08, 4)]))) == [
        (0.0, 1),
        (0.04, 2),
        (0.08, 4),
    ]
