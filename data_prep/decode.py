"""Decoding of foreign clips: 25 pictures a second by their timestamps, 16 kHz mono sound.

Both start at the first picture's time, so that picture i owns samples [640 i, 640 (i + 1)).
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import av
import av.error
import numpy as np
from av.container import InputContainer

from data_prep.drops import Dropped, Reason
from data_prep.layouts import Region
from vasa.data.schema import FPS, SAMPLE_RATE_HZ

Item = TypeVar("Item")

REGION_MARGIN = 0.5
"""A data set's box holds the face; the crop and another face's beginning need more."""
_SOUND_LEAD_S = 0.5  # a decoder's first block after a jump may be incomplete


@dataclass(frozen=True, kw_only=True)
class ClipFacts:
    """What a clip's container says.

    Attributes:
        width: pixels.
        height: pixels.
        fps: average pictures a second.
        duration_s: 0 where unknown.
        has_audio: whether there is a sound track.
    """

    width: int
    height: int
    fps: float
    duration_s: float
    has_audio: bool


def probe(path: Path) -> ClipFacts:
    """Facts of a clip without decoding it.

    Raises:
        Dropped: not a readable container, or no video in it.
    """
    with _opened(path) as container:
        if not container.streams.video:
            raise Dropped(Reason.NO_VIDEO, "no video stream")
        video = container.streams.video[0]
        rate = video.average_rate or video.guessed_rate
        return ClipFacts(
            width=video.width,
            height=video.height,
            fps=float(rate) if rate else 0.0,
            duration_s=(container.duration or 0) / av.time_base,
            has_audio=bool(container.streams.audio),
        )


def stream_frames(
    path: Path, *, start_s: float = 0.0, end_s: float | None = None, region: Region | None = None
) -> Iterator[np.ndarray]:
    """Pictures of a clip at 25 a second, RGB uint8 `h w 3`, upright and with square pixels.

    The picture at i / 25 s after the first one is the one whose timestamp is nearest.

    Args:
        path: the file.
        start_s: where to begin, seconds from the first picture.
        end_s: where to end; None for the end.
        region: only this part of the picture, widened by `REGION_MARGIN` of its sides.

    Raises:
        Dropped: the video cannot be decoded to its end.
    """
    for frame, aspect in nearest_in_time(_timed_frames(path, start_s, end_s)):
        picture = _to_rgb(frame, aspect)
        yield picture if region is None else _cut_out(picture, region)


def _cut_out(picture: np.ndarray, region: Region) -> np.ndarray:
    height, width = picture.shape[:2]
    left, top, right, bottom = region
    x_margin, y_margin = REGION_MARGIN * (right - left), REGION_MARGIN * (bottom - top)
    columns = slice(
        max(0, round((left - x_margin) * width)), min(width, round((right + x_margin) * width))
    )
    rows = slice(
        max(0, round((top - y_margin) * height)), min(height, round((bottom + y_margin) * height))
    )
    return np.ascontiguousarray(picture[rows, columns])


def nearest_in_time(timed: Iterator[tuple[float, Item]], *, fps: float = FPS) -> Iterator[Item]:
    """Items at a constant rate from items with timestamps (s, ascending, the first is time 0).

    Item i is the one nearest to i / fps; the last one lasts as long as the one before it.
    """
    previous: tuple[float, Item] | None = None
    start = gap = 0.0
    index = 0
    for time, item in timed:
        if previous is None:
            start = time
        else:
            gap = time - previous[0]
            while start + index / fps < previous[0] + gap / 2 - 1e-6:
                yield previous[1]
                index += 1
        previous = (time, item)
    if previous is not None:
        gap = gap or 1 / fps
        while start + index / fps < previous[0] + gap / 2 - 1e-6:
            yield previous[1]
            index += 1


def read_sound(path: Path, *, start_s: float = 0.0, end_s: float | None = None) -> np.ndarray:
    """The clip's sound from its first picture's time on: mono float32 at 16 kHz, `n`.

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
        begin = _start_time(container.streams.video[0]) + start_s
        if start_s > 0:
            _seek(container, begin - _SOUND_LEAD_S)
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
        blocks: list[np.ndarray] = []
        start: float | None = None
        try:
            for frame in container.decode(container.streams.audio[0]):
                if start is None:
                    start = frame.time or 0.0
                if end_s is not None and (frame.time or 0.0) > begin - start_s + end_s:
                    break
                frame.pts = None  # the resampler would fill small gaps of a jittery clock
                blocks += [out.to_ndarray()[0] for out in resampler.resample(frame)]
            blocks += [out.to_ndarray()[0] for out in resampler.resample(None)]
        except av.error.FFmpegError as error:
            raise Dropped(Reason.UNDECODABLE, f"audio: {error}") from error
    if start is None or not blocks:
        raise Dropped(Reason.NO_AUDIO, "the audio stream is empty")
    sound = np.concatenate(blocks).astype(np.float32)
    late = round((start - begin) * SAMPLE_RATE_HZ)
    sound = np.concatenate((np.zeros(late, np.float32), sound)) if late > 0 else sound[-late:]
    return sound if end_s is None else sound[: round((end_s - start_s) * SAMPLE_RATE_HZ)]


def _opened(path: Path) -> InputContainer:
    try:
        return av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise Dropped(Reason.UNDECODABLE, str(error)) from error


def _start_time(stream: av.VideoStream) -> float:
    if stream.start_time is None or stream.time_base is None:
        return 0.0
    return float(stream.start_time * stream.time_base)


def _seek(container: InputContainer, time_s: float) -> None:
    """To the last key frame before a time; a container that cannot is read from its start."""
    with contextlib.suppress(av.error.FFmpegError):
        container.seek(max(0, round(time_s * av.time_base)))


def _timed_frames(
    path: Path, start_s: float, end_s: float | None
) -> Iterator[tuple[float, tuple[av.VideoFrame, float]]]:
    """Timestamps (s) with a picture and the width of its pixels over their height."""
    with _opened(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        rate = float(stream.average_rate or FPS)
        aspect = float(stream.sample_aspect_ratio or 1) or 1.0
        first = _start_time(stream)
        earliest = first + start_s - 0.5 / rate if start_s > 0 else -np.inf
        end = np.inf if end_s is None else first + end_s - 0.5 / rate
        if start_s > 0:
            _seek(container, first + start_s)
        latest = -np.inf
        try:
            for index, frame in enumerate(container.decode(stream)):
                time = frame.time if frame.time is not None else index / rate
                if time >= end:
                    return
                if time >= earliest and time > latest:
                    latest = time
                    yield time, (frame, aspect)
        except av.error.FFmpegError as error:
            raise Dropped(Reason.UNDECODABLE, f"video: {error}") from error


def _to_rgb(frame: av.VideoFrame, aspect: float) -> np.ndarray:
    width = round(frame.width * aspect)
    picture = frame.to_ndarray(format="rgb24", width=width, height=frame.height)
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture
