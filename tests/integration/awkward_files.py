"""A folder of files as people have them: damaged, misnamed, odd, and some that are fine."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from PIL import Image

from data_prep.synth.clip import ClipSpec, make_clip

SECONDS = 1.6
HEIGHT, WIDTH = 240, 320
CLIP = "clip"
_RATE_HZ = 16000


@dataclass(frozen=True, kw_only=True)
class AwkwardFile:
    """A file and what may become of it: `clip`, or reasons of `data_prep.drops.Reason`."""

    path: Path
    outcomes: frozenset[str]


def write_movie(
    path: Path,
    pictures: Sequence[np.ndarray] | None,
    sound: np.ndarray | None,
    *,
    fps: int = 25,
    times_s: Sequence[float] | None = None,
    picture_start_s: float = 0.0,
    sound_start_s: float = 0.0,
    sound_hz: int = _RATE_HZ,
    layout: str = "mono",
    codec: str = "libx264",
    pixels: str = "yuv420p",
    sound_codec: str = "aac",
    container: str | None = None,
    muxing: dict[str, str] | None = None,
    coding: dict[str, str] | None = None,
    rotation: int = 0,
    cover: np.ndarray | None = None,
) -> Path:
    """A movie of any kind.

    Args:
        path: the file.
        pictures: uint8 `h w 3` each; None for no video.
        sound: mono samples in [-1, 1] at `sound_hz`, put into every channel; None for no sound.
        fps: of the pictures.
        times_s: the pictures' times where the rate is not constant.
        picture_start_s: time of the first picture.
        sound_start_s: time of the first sample.
        sound_hz: rate.
        layout: of the channels.
        codec: of the video.
        pixels: format of the coded pictures.
        sound_codec: of the sound.
        container: format where the name does not say.
        muxing: options of the container.
        coding: options of the video encoder.
        rotation: said by the metadata, degrees.
        cover: a picture attached, before the video.
    """
    name = f"file:{path}"
    with av.open(name, "w", format=container, container_options=muxing or {}) as output:
        if cover is not None:
            art = output.add_stream("mjpeg", rate=1, options={"strict": "unofficial"})
            art.height, art.width, art.pix_fmt = *cover.shape[:2], "yuvj420p"
            art.disposition = Disposition.attached_pic
        video = voice = None
        if pictures is not None:
            video = output.add_stream(codec, rate=fps, options=coding or {})
            video.height, video.width, video.pix_fmt = *pictures[0].shape[:2], pixels
            video.codec_context.time_base = Fraction(1, 1000 if times_s is not None else fps)
            if rotation:
                video.set_display_rotation(rotation)
        if sound is not None:
            voice = output.add_stream(sound_codec, rate=sound_hz, layout=layout)
        if cover is not None:
            frame = av.VideoFrame.from_ndarray(cover, format="rgb24").reformat(format="yuvj420p")
            output.mux([*art.encode(frame), *art.encode(None)])
        if video is not None and pictures is not None:
            base = video.codec_context.time_base or Fraction(1, fps)
            for index, picture in enumerate(pictures):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                time = index / fps if times_s is None else times_s[index]
                frame.pts, frame.time_base = round((time + picture_start_s) / base), base
                output.mux(video.encode(frame))
            output.mux(video.encode(None))
        if voice is not None and sound is not None:
            for frame in _sound_frames(sound, sound_hz, layout, sound_start_s):
                output.mux(voice.encode(frame))
            output.mux(voice.encode(None))
    return path


def _sound_frames(
    sound: np.ndarray, rate_hz: int, layout: str, start_s: float
) -> Iterator[av.AudioFrame]:
    channels = av.AudioLayout(layout).nb_channels
    for start in range(0, len(sound), 1024):
        block = np.repeat(sound[None, start : start + 1024], channels, axis=0).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block), format="fltp", layout=layout
        )
        frame.sample_rate = rate_hz
        frame.time_base = Fraction(1, rate_hz)
        frame.pts = start + round(start_s * rate_hz)
        yield frame


@cache
def head(person: int, size: int = 224) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 `t h w 3` and sound of a drawn person that the experts find."""
    spec = ClipSpec(split="train", person=person, clip=0, size=size, seconds=SECONDS, seed=3)
    clip = make_clip(spec)
    return clip.frames, clip.audio


def placed(heads: Sequence[np.ndarray], *, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Heads side by side on a grey canvas."""
    num = len(heads[0])
    canvas = np.full((num, height, width, 3), 110, np.uint8)
    for index, pictures in enumerate(heads):
        side = pictures.shape[1]
        left = (2 * index + 1) * width // (2 * len(heads)) - side // 2
        top = (height - side) // 2
        canvas[:, top : top + side, left : left + side] = pictures
    return canvas


def write_black_minutes(path: Path, *, minutes: float = 10) -> Path:
    """Black pictures with a low tone: long, and cheap to make."""
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "250"})
        video.height = video.width = 64
        video.pix_fmt = "yuv420p"
        voice = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        black = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        black = black.reformat(format="yuv420p")
        tone = (3000 * np.sin(np.arange(8000) * 2 * np.pi * 200 / 8000)).astype(np.int16)
        for second in range(round(60 * minutes)):
            for index in range(25):
                black.pts, black.time_base = 25 * second + index, Fraction(1, 25)
                output.mux(video.encode(black))
            frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 8000, 8000 * second, Fraction(1, 8000)
            output.mux(voice.encode(frame))
        output.mux(video.encode(None))
        output.mux(voice.encode(None))
    return path


def write_awkward_files(folder: Path) -> list[AwkwardFile]:
    """All of them but the minutes of black, all of one speaker: `folder`'s name."""
    folder.mkdir(parents=True, exist_ok=True)
    files: list[AwkwardFile] = []

    def expect(path: Path, *outcomes: str) -> None:
        files.append(AwkwardFile(path=path, outcomes=frozenset(outcomes)))

    pictures, sound = placed([head(0)[0]]), head(0)[1]

    def movie(
        name: str, *outcomes: str, of: Any = pictures, heard: Any = sound, **how: Any
    ) -> None:
        expect(write_movie(folder / name, of, heard, **how), *outcomes)

    _add_plain_oddities(movie, pictures, sound)
    _add_damaged(folder, expect, pictures, sound)
    _add_no_movies(folder, expect, pictures, sound)
    _add_names(folder, expect)
    return files


def _add_plain_oddities(movie: Any, pictures: np.ndarray, sound: np.ndarray) -> None:
    """Whole files, odd in what they hold."""
    num = len(pictures)
    movie("good.mp4", CLIP)
    movie("no_audio.mp4", "no_audio", heard=None)
    movie("silent.mp4", "silent", heard=np.zeros_like(sound))
    movie("no_face.mp4", "no_face", of=np.full_like(pictures, 120))
    pair = placed([head(0, 160)[0], head(1, 160)[0]])
    movie("two_people.mp4", "several_faces", of=pair)
    movie("5_fps.mp4", "low_frame_rate", of=pictures[::5], fps=5)
    movie("60_fps.mp4", CLIP, of=pictures[(np.arange(96) * 25) // 60], fps=60)
    times = np.arange(num) / 25 + np.where(np.arange(num) % 3 == 1, 0.015, 0.0)
    movie("variable_rate.mkv", CLIP, times_s=list(times))
    for degrees in (90, 180, 270):
        turned = np.rot90(pictures, -degrees // 90, axes=(1, 2))
        movie(f"rotated_{degrees}.mp4", CLIP, of=turned, rotation=degrees)
    movie(
        "interlaced.mpg",
        CLIP,
        of=woven(pictures),
        codec="mpeg2video",
        sound_codec="mp2",
        coding={"flags": "+ildct+ilme", "b": "4000000", "top": "1"},
    )
    movie("16_px.mp4", "no_face", "too_small", of=pictures[:, 100:116, 100:116])
    odd = pictures[:, : HEIGHT - 3, : WIDTH - 5]
    movie("odd_size.mkv", CLIP, of=odd, pixels="yuv444p")
    movie("131x97.mkv", "no_face", "too_small", CLIP, of=_small(pictures), codec="ffv1")
    movie("two_frames.mp4", "too_short", of=pictures[:2])
    movie("8_khz_mono.mkv", CLIP, heard=sound[::2], sound_hz=8000, sound_codec="pcm_s16le")
    high = np.repeat(sound, 6)
    movie("96_khz_5.1.mkv", CLIP, heard=high, sound_hz=96000, layout="5.1", sound_codec="flac")
    movie("sound_shorter.mp4", CLIP, heard=sound[: round(1.2 * _RATE_HZ)])
    movie("sound_too_short.mp4", "too_short", heard=sound[: _RATE_HZ // 2])
    movie("picture_shorter.mp4", CLIP, of=pictures[:30])
    movie("sound_late.mkv", CLIP, sound_start_s=0.2)
    movie("sound_early.mkv", CLIP, picture_start_s=0.2)
    movie("no_duration.mkv", CLIP, muxing={"live": "1"})
    movie("stream.ts", CLIP)
    movie("mp4_named.avi", CLIP, container="mp4")
    movie("mkv_named.mp4", CLIP, container="matroska")
    movie("cover_art.mp4", CLIP, cover=pictures[0])
    movie("cover_art_only.mp4", "no_video", of=None, cover=pictures[0])


def woven(pictures: np.ndarray) -> np.ndarray:
    """Every second line from half a picture's time later; encoders that are not told say that the
    lower field comes first.
    """
    result = pictures.copy()
    result[:-1, ::2] = pictures[1:, ::2]
    return result


def _small(pictures: np.ndarray) -> np.ndarray:
    return np.stack([np.asarray(Image.fromarray(p).resize((131, 97))) for p in pictures])


def _add_damaged(folder: Path, expect: Any, pictures: np.ndarray, sound: np.ndarray) -> None:
    """One good file of two kinds, cut at ten places and with bytes overwritten."""
    lost = ("undecodable", "too_short", "no_video", "no_audio", "no_face", CLIP, "silent")
    kinds: dict[str, dict[str, Any]] = {
        "mp4": {"muxing": {"movflags": "faststart"}},
        "mpg": {"codec": "mpeg1video", "sound_codec": "mp2", "coding": {"b": "2000000"}},
    }
    for suffix, how in kinds.items():
        if suffix == "mpg":
            how["sound_hz"] = 32000
        heard = np.repeat(sound, 2) if suffix == "mpg" else sound
        whole = write_movie(folder / f"whole.{suffix}", pictures, heard, **how)
        expect(whole, CLIP)
        content = whole.read_bytes()
        for percent in (1, 5, 10, 25, 40, 50, 60, 75, 90, 99):
            cut = folder / f"cut_{percent:02d}.{suffix}"
            cut.write_bytes(content[: len(content) * percent // 100])
            expect(cut, *lost)
        damaged = bytearray(content)
        middle = len(content) // 2
        damaged[middle : middle + 400] = np.random.default_rng(0).bytes(400)
        path = folder / f"corrupted.{suffix}"
        path.write_bytes(damaged)
        expect(path, *lost, "lost_face", "several_faces")


def _add_no_movies(folder: Path, expect: Any, pictures: np.ndarray, sound: np.ndarray) -> None:
    """Named like movies."""
    (folder / "empty.mp4").touch()
    expect(folder / "empty.mp4", "undecodable")
    (folder / "text.mp4").write_text("this is no movie\n" * 50)
    expect(folder / "text.mp4", "undecodable")
    (folder / "playlist.mp4").write_text("ffconcat version 1.0\nfile pipe.mp4\n")
    expect(folder / "playlist.mp4", "undecodable")
    wav = write_movie(folder / "wav.mp4", None, sound, container="wav", sound_codec="pcm_s16le")
    expect(wav, "no_video")
    Image.fromarray(pictures[0]).save(folder / "jpg.mp4", format="JPEG")
    expect(folder / "jpg.mp4", "no_audio", "too_short", "undecodable", "no_video")
    os.mkfifo(folder / "pipe.mp4")
    expect(folder / "pipe.mp4", "unreadable")
    (folder / "loop.mp4").symlink_to("loop.mp4")
    expect(folder / "loop.mp4", "unreadable", "missing")
    (folder / "broken.mp4").symlink_to("nowhere.mp4")
    expect(folder / "broken.mp4", "missing")
    (folder / "around").symlink_to(".")
    (folder / "up").symlink_to("..")
    secret = folder / "secret.mp4"
    secret.write_bytes((folder / "good.mp4").read_bytes())
    secret.chmod(0)
    expect(secret, "unreadable", CLIP)  # an administrator may read it


def _add_names(folder: Path, expect: Any) -> None:
    """Short movies under long and odd names."""
    content = (folder / "two_frames.mp4").read_bytes()
    names = [
        "café — ünïcode 名前.mp4",
        "\U0001f600\U0001f3ac.mp4",
        "new\nline.mp4",
        "x" * 246 + ".mp4",
        "-leading-dash.mp4",
        "dots...many..dots.v1.0.mp4",
        "with space 'and\" quotes.mp4",
        "protocol:http.mp4",
        "percent%03d.mp4",
        "UPPER.MP4",
        os.fsdecode(b"not-utf8-\xff.mp4"),
    ]
    for name in names:
        (folder / name).write_bytes(content)
        expect(folder / name, "too_short")
    good = (folder / "good.mp4").read_bytes()
    for name in ("a.b.mp4", "a_b.mp4"):
        (folder / name).write_bytes(good)
        expect(folder / name, CLIP)
