"""Foreign containers: whether they can be read, what they say, and standing at a time in them."""

import errno
import os
import stat
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import av
import av.error
from av.container import InputContainer
from av.stream import Disposition

from data_prep.drops import Dropped, Reason

_OPENS_OTHER_FILES = {"concat", "dash", "hls", "image2", "imf", "lavfi", "rtsp", "sdp"}
_TIMES_BY_COUNTING = {"avi", "mpeg", "mpegvideo", "h264", "hevc", "m4v"}
"""Containers with few timestamps: after a jump the pictures in between get other ones."""
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
    with opened(path) as container:
        video = video_stream(container)
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


@cache
def _formats() -> str:
    """Containers that hold what they show: a playlist may name a pipe, or this very file."""
    return ",".join(sorted(av.formats_available - _OPENS_OTHER_FILES))


def opened(path: Path) -> InputContainer:
    """A container, open.

    Raises:
        Dropped: no file that can be read, or not a readable container.
    """
    check_file(path)
    name = f"file:{os.path.abspath(path)}"  # a colon in a name means no protocol
    try:
        return av.open(name, options={"format_whitelist": _formats()}, metadata_errors="replace")
    except PermissionError as error:
        raise Dropped(Reason.UNREADABLE, str(error)) from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise Dropped(Reason.UNDECODABLE, str(error)) from error


def opened_at(
    path: Path, time_s: float | None, *, kind: Literal["audio", "video"]
) -> InputContainer:
    """Positioned at or before a time; a container that cannot do so stands at its start."""
    container = opened(path)
    if time_s is None or container.format.name in _TIMES_BY_COUNTING:
        return container
    try:
        stream = video_stream(container)
        container.seek(max(0, round(time_s / float(stream.time_base or 1))), stream=stream)
        wanted = audio_stream(container) if kind == "audio" else stream
        first = next((p for p in container.demux(wanted) if p.pts is not None), None)
        lands = first is not None and float((first.pts or 0) * first.time_base) <= time_s
        container.seek(max(0, round(time_s / float(stream.time_base or 1))), stream=stream)
    except av.error.FFmpegError:
        lands = False
    if lands:
        return container
    container.close()
    return opened(path)


def video_stream(container: InputContainer) -> av.VideoStream:
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


def audio_stream(container: InputContainer) -> av.AudioStream:
    """The default track, else the first."""
    tracks = container.streams.audio
    audio = next((s for s in tracks if s.disposition & Disposition.default), tracks[0])
    if audio.codec_context is None:
        raise Dropped(Reason.UNDECODABLE, "audio: an unknown codec")
    audio.codec_context.thread_count = 1
    return audio
