"""Spans of a track that can become clips."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data_prep.crop import SteadyCrop, steady_crop
from data_prep.drops import Reason
from data_prep.settings import ClipSettings, TrackSettings
from data_prep.track import FaceTrack


@dataclass(frozen=True, kw_only=True)
class Span:
    """Frames start to stop of a clip and their crop."""

    start: int
    stop: int
    crop: SteadyCrop


@dataclass(frozen=True, kw_only=True)
class LostSpan:
    """Frames start to stop that are left out."""

    start: int
    stop: int
    reason: Reason
    detail: str


def trusted_runs(
    track: FaceTrack, *, min_presence: float, max_gap: int, max_jump: float
) -> list[tuple[int, int]]:
    """Runs (start, stop) of frames with a trusted face.

    A gap of up to `max_gap` frames stays inside of a run; a jump of the face ends it (a cut).
    """
    trusted = np.flatnonzero(track.presence > min_presence)
    if not len(trusted):
        return []
    points = track.landmarks[trusted][..., :2]
    centre = points.mean(axis=1)
    side = (points.max(axis=1) - points.min(axis=1)).max(axis=-1)
    apart = np.diff(trusted)
    jump = np.linalg.norm(np.diff(centre, axis=0), axis=-1) / side[:-1]
    grown = np.abs(np.log(side[1:] / side[:-1]))
    breaks = np.flatnonzero((apart > max_gap + 1) | (np.maximum(jump, grown) > max_jump * apart))
    starts = np.concatenate(([0], breaks + 1))
    stops = np.concatenate((breaks, [len(trusted) - 1]))
    return [(int(trusted[a]), int(trusted[b]) + 1) for a, b in zip(starts, stops, strict=True)]


def filled_landmarks(track: FaceTrack, *, min_presence: float) -> np.ndarray:
    """Landmarks `t 478 3` with untrusted frames interpolated from their neighbours."""
    trusted = np.flatnonzero(track.presence > min_presence)
    filled = track.landmarks.copy()
    for frame in np.setdiff1d(np.arange(len(track)), trusted):
        after = np.searchsorted(trusted, frame)
        left, right = trusted[max(after - 1, 0)], trusted[min(after, len(trusted) - 1)]
        weight = 0.0 if right == left else np.clip((frame - left) / (right - left), 0, 1)
        filled[frame] = (1 - weight) * track.landmarks[left] + weight * track.landmarks[right]
    return filled


def choose_spans(
    track: FaceTrack,
    landmarks: np.ndarray,
    *,
    height: int,
    width: int,
    clip: ClipSettings,
    follow: TrackSettings,
) -> list[Span | LostSpan]:
    """Spans of a track in order: those that become clips, and those that do not with the reason.

    Args:
        track: the face over the clip.
        landmarks: its landmarks without gaps, `t 478 3`.
        height: of the source.
        width: of the source.
        clip: what a clip must be.
        follow: what a trusted face is.
    """
    runs = trusted_runs(
        track,
        min_presence=follow.min_presence,
        max_gap=follow.max_gap,
        max_jump=follow.max_jump,
    )
    spans: list[Span | LostSpan] = []
    before = 0
    for start, stop in runs:
        if start - before >= clip.min_frames:
            spans.append(_lost(before, start))
        before = stop
        if stop - start < clip.min_frames:
            spans.append(_lost(start, stop))
            continue
        num = -(-(stop - start) // clip.max_frames)
        edges = np.linspace(start, stop, num + 1).round().astype(int)
        for first, last in zip(edges[:-1], edges[1:], strict=True):
            spans += _steady(
                int(first), int(last), landmarks, height=height, width=width, clip=clip
            )
    if len(track) - before >= clip.min_frames:
        spans.append(_lost(before, len(track)))
    return spans


def _lost(start: int, stop: int) -> LostSpan:
    return LostSpan(
        start=start,
        stop=stop,
        reason=Reason.LOST_FACE,
        detail=f"no steady face in frames {start} to {stop}",
    )


def _steady(
    start: int, stop: int, landmarks: np.ndarray, *, height: int, width: int, clip: ClipSettings
) -> Iterator[Span | LostSpan]:
    """The span, or its halves where the head moves too much for one crop."""
    crop = steady_crop(landmarks[start:stop], height=height, width=width)
    if crop.growth > clip.max_growth:
        middle = (start + stop) // 2
        if middle - start < clip.min_frames:
            detail = f"the crop would be {crop.growth:.2f} times the head's"
            yield LostSpan(start=start, stop=stop, reason=Reason.MOVES_TOO_MUCH, detail=detail)
            return
        yield from _steady(start, middle, landmarks, height=height, width=width, clip=clip)
        yield from _steady(middle, stop, landmarks, height=height, width=width, clip=clip)
    elif crop.outside > clip.max_outside:
        detail = f"{crop.outside:.0%} of the crop lies outside of the picture"
        yield LostSpan(start=start, stop=stop, reason=Reason.OUT_OF_PICTURE, detail=detail)
    else:
        yield Span(start=start, stop=stop, crop=crop)
