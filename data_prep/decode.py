"""Decoding of foreign clips: 25 pictures a second by their timestamps, 16 kHz mono sound.

Both start at the first picture's time, so that picture i owns samples [640 i, 640 (i + 1)).
"""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TypeVar

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.filter import Graph
from av.stream import Disposition

from data_prep.drops import Dropped, Reason
from data_prep.layouts import Region
from vasa.data.audio import mono_resampler, mono_samples
from vasa.data.schema import FPS, SAMPLE_RATE_HZ

Item = TypeVar("Item")

REGION_MARGIN = 0.5
"""A data set's box holds the face; the crop and another face's beginning need more."""
MAX_GAP_S = 60.0
"""Timestamps further apart are damage: filling the gap would make pictures or sound of nothing."""
MAX_SOUND_SHIFT_S = 0.015
"""Sound this far off its timestamps is moved; less is the jitter of a container's clock."""
MAX_ASPECT = 4.0
"""Pixels wider or narrower than this are a damaged header."""
_SOUND_LEAD_S = 0.5  # a decoder's first block after a jump may be incomplete
_OPENS_OTHER_FILES = {"concat", "dash", "hls", "image2", "imf", "lavfi", "rtsp", "sdp"}
_TIMES_BY_COUNTING = {"avi", "mpeg", "mpegvideo", "h264", "hevc", "m4v"}
"""Containers with few timestamps: after a jump the pictures in between get other ones."""
_NO_TIME_TO_SHOW = {"avi"}
"""Containers with times of decoding only: pictures come in order, late by the decoder's delay."""
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}


@dataclass(frozen=True, kw_only=True)
class ClipFacts:
    """What a clip's container says.

    Attributes:
        width: pixels.
        height: pixels.
        fps: average pictures a second.
        duration_s: 0 where unknown.
        has_audio: whether there is a sound track.
        bit_rate: of the video, bits a second; the whole file's where the video does not say, 0
            where unknown.
    """

    width: int
    height: int
    fps: float
    duration_s: float
    has_audio: bool
    bit_rate: int


def check_file(path: Path) -> None:
    """That there is a plain file which can be read; a pipe is never waited for.

    Raises:
        Dropped: missing, or unreadable.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            os.listdir(path)
        if not stat.S_ISREG(status.st_mode):
            raise Dropped(Reason.UNREADABLE, "not a regular file")
        with open(path, "rb", buffering=0) as file:
            file.read(1)
    except ValueError as error:  # a table may hold any text
        raise Dropped(Reason.MISSING, f"no file name: {error}") from error
    except OSError as error:
        if error.errno not in _ABSENT:
            raise Dropped(Reason.UNREADABLE, error.strerror or str(error)) from error
        broken = "the target of the symbolic link is missing" if os.path.islink(path) else "no file"
        raise Dropped(Reason.MISSING, f"{broken}: {path.name}") from error


def probe(path: Path) -> ClipFacts:
    """Facts of a clip without decoding it.

    Raises:
        Dropped: no file that can be read, not a readable container, or no video in it.
    """
    with _opened(path) as container:
        video = _video_stream(container)
        rate = video.average_rate or video.guessed_rate
        duration_s = (container.duration or 0) / av.time_base
        if not duration_s and video.duration and video.time_base:
            duration_s = float(video.duration * video.time_base)
        return ClipFacts(
            width=video.width,
            height=video.height,
            fps=float(rate) if rate else 0.0,
            duration_s=max(0.0, duration_s),
            has_audio=bool(container.streams.audio),
            bit_rate=_bit_rate(
                container, video, num_bytes=path.stat().st_size, length_s=duration_s
            ),
        )


def _bit_rate(
    container: InputContainer, video: av.VideoStream, *, num_bytes: int, length_s: float
) -> int:
    """What the video says unless the file is too small for that (MPEG-1 says 105 Mbit/s)."""
    if video.duration and video.time_base:
        length_s = float(video.duration * video.time_base)
    said = video.codec_context.bit_rate or 0
    most = 8 * num_bytes / length_s if length_s > 0 else 0.0
    if 0 < said and (most == 0 or said <= most):
        return said
    return max(0, container.bit_rate or round(most))


def stream_frames(
    path: Path, *, start_s: float = 0.0, end_s: float | None = None, region: Region | None = None
) -> Iterator[np.ndarray]:
    """Pictures of a clip at 25 a second, RGB uint8 `h w 3`, upright and with square pixels.

    The picture at i / 25 s after the first one is the one whose timestamp is nearest. Interlaced
    pictures become whole ones; all get the size of the first.

    Args:
        path: the file.
        start_s: where to begin, seconds from the first picture.
        end_s: where to end; None for the end.
        region: only this part of the picture, widened by `REGION_MARGIN` of its sides.

    Raises:
        Dropped: the video cannot be decoded to its end.
    """
    size: tuple[int, int] | None = None
    begin, timed = _timed_frames(path, start_s)
    frames = nearest_in_time(timed, start=begin)
    count = None if end_s is None else max(0, round((end_s - start_s) * FPS))
    for frame, aspect in islice(frames, count):
        size = size or (max(1, round(frame.width * aspect)), frame.height)
        picture = _to_rgb(frame, *size)
        yield picture if region is None else _cut_out(picture, region)


def _cut_out(picture: np.ndarray, region: Region) -> np.ndarray:
    """The region with its margin, from a multiple of 8 px on: a codec's blocks stay where they are
    (`data_prep.picture_quality.blockiness`).
    """
    height, width = picture.shape[:2]
    left, top, right, bottom = region
    x_margin, y_margin = REGION_MARGIN * (right - left), REGION_MARGIN * (bottom - top)
    columns = slice(
        max(0, round((left - x_margin) * width) // 8 * 8),
        min(width, round((right + x_margin) * width)),
    )
    rows = slice(
        max(0, round((top - y_margin) * height) // 8 * 8),
        min(height, round((bottom + y_margin) * height)),
    )
    return np.ascontiguousarray(picture[rows, columns])


def nearest_in_time(
    timed: Iterator[tuple[float, Item]], *, fps: float = FPS, start: float | None = None
) -> Iterator[Item]:
    """Items at a constant rate from items with timestamps (s, ascending).

    Item i is the one nearest to start + i / fps; the last one lasts as long as the one before it.

    Args:
        timed: timestamps and items.
        fps: rate of the result.
        start: time of item 0; None for the first timestamp.
    """
    previous: tuple[float, Item] | None = None
    begin = start or 0.0
    gap = 0.0
    index = 0
    for time, item in timed:
        if previous is None:
            begin = time if start is None else start
        else:
            gap = time - previous[0]
            while begin + index / fps < previous[0] + gap / 2 - 1e-6:
                yield previous[1]
                index += 1
        previous = (time, item)
    if previous is not None:
        gap = gap or 1 / fps
        while begin + index / fps < previous[0] + gap / 2 - 1e-6:
            yield previous[1]
            index += 1


def read_sound(path: Path, *, start_s: float = 0.0, end_s: float | None = None) -> np.ndarray:
    """The clip's sound from its first picture's time on: mono float32 at 16 kHz, `n`.

    Timestamps rule: what is missing in the middle is silence, so that the rest stays with the
    pictures.

    Args:
        path: the file.
        start_s: where to begin, seconds from the first picture.
        end_s: where to end; None for the end.

    Raises:
        Dropped: no sound track, or it cannot be decoded.
    """
    with _opened(path) as container:
        if not container.streams.audio:
            raise Dropped(Reason.NO_AUDIO, "no audio stream")
    begin = first_picture_time(path) + start_s
    until = np.inf if end_s is None else begin - start_s + end_s
    placed: _PlacedSound | None = None
    with _opened_at(path, begin - _SOUND_LEAD_S if start_s > 0 else None, kind="audio") as opened:
        try:
            for frame in opened.decode(_audio_stream(opened)):
                time = frame.time
                placed = placed or _PlacedSound(begin=begin, start=begin if time is None else time)
                if time is not None and time > until:
                    break
                placed.add(frame)
        except (av.error.FFmpegError, ValueError) as error:
            raise Dropped(Reason.UNDECODABLE, f"audio: {error}") from error
    if placed is None:
        raise Dropped(Reason.NO_AUDIO, "the audio stream is empty")
    sound = placed.finish()
    return sound if end_s is None else sound[: round((end_s - start_s) * SAMPLE_RATE_HZ)]


class _PlacedSound:
    """Blocks of sound put where their timestamps say, from a time on.

    Args:
        begin: time of the result's first sample (s).
        start: time of the first block.
    """

    def __init__(self, *, begin: float, start: float) -> None:
        self._blocks: list[np.ndarray] = []
        self._heard = start  # where the sound so far ends
        self._skip = 0
        self._kind: tuple[str, str, int] | None = None
        self._resampler: av.AudioResampler | None = None
        self._add_silence(start - begin)

    def add(self, frame: av.AudioFrame) -> None:
        shift = 0.0 if frame.time is None else frame.time - self._heard
        if shift < -MAX_SOUND_SHIFT_S:
            return  # this time was heard already
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shift > MAX_SOUND_SHIFT_S or kind != self._kind:
            self._flush()
            self._resampler = mono_resampler()
            self._kind = kind
        if shift > MAX_SOUND_SHIFT_S:
            self._add_silence(shift)
            self._heard += shift
        self._heard += frame.samples / frame.sample_rate
        frame.pts = None  # the resampler would fill small gaps of a jittery clock
        assert self._resampler is not None, "a block has a kind"
        self._extend(self._resampler.resample(frame))

    def finish(self) -> np.ndarray:
        """All of it: mono float32."""
        self._flush()
        return np.concatenate(self._blocks or [np.zeros(0)]).astype(np.float32, copy=False)

    def _flush(self) -> None:
        if self._resampler is not None:
            self._extend(self._resampler.resample(None))
            self._resampler = None

    def _extend(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            block = mono_samples(frame)
            cut = min(self._skip, len(block))
            self._skip -= cut
            self._blocks.append(block[cut:])

    def _add_silence(self, seconds: float) -> None:
        """Less than none is what comes before the first picture: left out."""
        if seconds > MAX_GAP_S:
            raise Dropped(Reason.UNDECODABLE, f"audio: timestamps jump by {seconds:.0f} s")
        num = round(seconds * SAMPLE_RATE_HZ)
        cut = min(max(num, 0), self._skip)
        self._skip += max(-num, 0) - cut
        self._blocks.append(np.zeros(max(num, 0) - cut, np.float32))


@cache
def _formats() -> str:
    """Containers that hold what they show: a playlist may name a pipe, or this very file."""
    return ",".join(sorted(av.formats_available - _OPENS_OTHER_FILES))


def _opened(path: Path) -> InputContainer:
    check_file(path)
    name = f"file:{os.path.abspath(path)}"  # a colon in a name means no protocol
    try:
        return av.open(name, options={"format_whitelist": _formats()}, metadata_errors="replace")
    except PermissionError as error:
        raise Dropped(Reason.UNREADABLE, str(error)) from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise Dropped(Reason.UNDECODABLE, str(error)) from error


def _opened_at(path: Path, time_s: float | None, *, kind: str) -> InputContainer:
    """Positioned at or before a time; a container that cannot do so stands at its start."""
    container = _opened(path)
    if time_s is None or container.format.name in _TIMES_BY_COUNTING:
        return container
    try:
        stream = _video_stream(container)
        container.seek(max(0, round(time_s / float(stream.time_base or 1))), stream=stream)
        wanted = _audio_stream(container) if kind == "audio" else stream
        first = next((p for p in container.demux(wanted) if p.pts is not None), None)
        lands = first is not None and float((first.pts or 0) * first.time_base) <= time_s
        container.seek(max(0, round(time_s / float(stream.time_base or 1))), stream=stream)
    except av.error.FFmpegError:
        lands = False
    if lands:
        return container
    container.close()
    return _opened(path)


def _video_stream(container: InputContainer) -> av.VideoStream:
    """The default video, else the first; never a picture of the cover."""
    moving = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if not moving:
        raise Dropped(Reason.NO_VIDEO, "no video stream")
    video = next((s for s in moving if s.disposition & Disposition.default), moving[0])
    if video.codec_context is None:
        raise Dropped(Reason.UNDECODABLE, "video: an unknown codec")
    video.codec_context.thread_count = 1  # which pictures a damaged file gives must not vary
    return video


def _audio_stream(container: InputContainer) -> av.AudioStream:
    tracks = container.streams.audio
    audio = next((s for s in tracks if s.disposition & Disposition.default), tracks[0])
    if audio.codec_context is None:
        raise Dropped(Reason.UNDECODABLE, "audio: an unknown codec")
    audio.codec_context.thread_count = 1
    return audio


def first_picture_time(path: Path) -> float:
    """Timestamp (s) of the first picture that can be decoded.

    A stream's own start may be that of a picture which needs an earlier one.

    Raises:
        Dropped: no picture can be decoded.
    """
    for time, _ in _decoded(path, None):
        return time
    raise Dropped(Reason.UNDECODABLE, "video: no picture")


def _timed_frames(
    path: Path, start_s: float
) -> tuple[float | None, Iterator[tuple[float, tuple[av.VideoFrame, float]]]]:
    """Time to begin at, and timestamps (s, ascending) with pictures and their pixels' aspect."""
    if start_s <= 0:
        return None, _ascending(_decoded(path, None))
    begin = first_picture_time(path) + start_s
    return begin, _ascending(_decoded(path, begin))


def _ascending(timed: Iterator[tuple[float, Item]]) -> Iterator[tuple[float, Item]]:
    latest: float | None = None
    for time, item in timed:
        if latest is not None and time - latest > MAX_GAP_S:
            raise Dropped(Reason.UNDECODABLE, f"video: timestamps jump by {time - latest:.0f} s")
        if latest is None or time > latest:
            latest = time
            yield time, item


def _decoded(
    path: Path, begin: float | None
) -> Iterator[tuple[float, tuple[av.VideoFrame, float]]]:
    """Timestamps (s) with a picture and the width of its pixels over their height."""
    with _opened_at(path, begin, kind="video") as container:
        stream = _video_stream(container)
        rate = float(stream.average_rate or FPS)
        aspect = float(stream.sample_aspect_ratio or 1) or 1.0
        if not 1 / MAX_ASPECT <= aspect <= MAX_ASPECT:
            aspect = 1.0
        frames = container.decode(stream)
        if container.format.name in _NO_TIME_TO_SHOW:
            frames = _in_turn(frames, start=stream.start_time or 0)
        try:
            for index, frame in enumerate(_whole_pictures(frames)):
                yield frame.time if frame.time is not None else index / rate, (frame, aspect)
        except av.error.FFmpegError as error:
            raise Dropped(Reason.UNDECODABLE, f"video: {error}") from error


def _in_turn(frames: Iterator[av.VideoFrame], *, start: int) -> Iterator[av.VideoFrame]:
    """Pictures whose times to show are those of decoding, from the stream's start on."""
    first: int | None = None
    for frame in frames:
        first = frame.dts if first is None else first
        frame.pts = None
        if first is not None and frame.dts is not None:
            frame.pts = start + frame.dts - first
        yield frame


def _whole_pictures(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """The same pictures, at the same times, with the lines of two moments told apart.

    Untouched until the first interlaced picture comes, and where a later one is none.
    """
    weaver: _Weaver | None = None
    for frame in frames:
        kind = (frame.width, frame.height, frame.format.name)
        if weaver is not None and weaver.kind != kind:
            yield from weaver.rest()
            weaver = None
        if weaver is None and frame.interlaced_frame:
            weaver = _Weaver(frame)
        if weaver is None:
            yield frame
        else:
            yield from weaver.add(frame)
    if weaver is not None:
        yield from weaver.rest()


class _Weaver:
    """FFmpeg's motion-adaptive deinterlacer; one picture out for each one in, one late."""

    def __init__(self, frame: av.VideoFrame) -> None:
        self.kind = (frame.width, frame.height, frame.format.name)
        self._graph = Graph()
        nodes = (
            self._graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=frame.time_base,
            ),
            self._graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced"),
            self._graph.add("buffersink"),
        )
        self._graph.link_nodes(*nodes).configure()

    def add(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        self._graph.push(frame)
        yield from self._ready()

    def rest(self) -> Iterator[av.VideoFrame]:
        self._graph.push(None)
        yield from self._ready()

    def _ready(self) -> Iterator[av.VideoFrame]:
        while True:
            try:
                frame = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            assert isinstance(frame, av.VideoFrame), "pictures went in"
            yield frame


def _to_rgb(frame: av.VideoFrame, width: int, height: int) -> np.ndarray:
    picture = frame.to_ndarray(format="rgb24", width=width, height=height)
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture
