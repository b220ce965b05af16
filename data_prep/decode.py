"""Pictures of foreign clips: 25 a second by their timestamps."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

import av
import av.error
import numpy as np
from av.filter import Graph

from data_prep.container import opened_at, video_stream
from data_prep.drops import Dropped, Reason
from data_prep.layouts import Region
from vasa.data.schema import FPS

Item = TypeVar("Item")

REGION_MARGIN = 0.5
"""A data set's box holds the face; the crop and another face's beginning need more."""
MAX_GAP_S = 60.0
"""Timestamps further apart are damage: filling the gap would make pictures or sound of nothing."""
MAX_ASPECT = 4.0
"""Pixels wider or narrower than this are a damaged header."""
_NO_TIME_TO_SHOW = {"avi"}
"""Containers with times of decoding only: pictures come in order, late by the decoder's delay."""


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
    with opened_at(path, begin, kind="video") as container:
        stream = video_stream(container)
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
