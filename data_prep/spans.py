"""Spans of a track that can become clips."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import median_filter

from data_prep.crop import SteadyCrop, steady_crop
from data_prep.drops import Reason
from data_prep.settings import ClipSettings, FaceSettings, TrackSettings
from data_prep.track import FaceTrack
from vasa.data.schema import FPS
from vasa.geometry.rotation import angles_from_rotation
from vasa.pretrained.head_pose import fit_head

_USABLE = ""


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


def frame_faults(
    track: FaceTrack, landmarks: np.ndarray, *, face: FaceSettings, follow: TrackSettings
) -> np.ndarray:
    """Why a frame cannot be used, a `Reason` or "" for each, `t`.

    Size and turn are medians over a second, so that no single frame decides.

    Args:
        track: the face over the clip.
        landmarks: its landmarks without gaps, `t 478 3`.
        face: what a face must be.
        follow: what a trusted frame is.
    """
    faults = np.full(len(track), _USABLE, dtype=object)
    points = landmarks[..., :2]
    side = (points.max(axis=1) - points.min(axis=1)).max(axis=-1)
    faults[_smooth(side) < face.min_px] = Reason.TOO_SMALL
    angles = angles_from_rotation(fit_head(torch.from_numpy(landmarks).float()).rotation)
    turn = np.degrees(np.abs(angles.numpy()))
    extreme = (_smooth(turn[:, 0]) > face.max_yaw_deg) | (_smooth(turn[:, 1]) > face.max_pitch_deg)
    faults[extreme] = Reason.EXTREME_POSE
    for start, stop in _runs_of(track.has_rival):
        if stop - start > face.max_rival_s * FPS:
            faults[start:stop] = Reason.SEVERAL_FACES
    faults[track.presence <= follow.min_presence] = Reason.LOST_FACE
    return faults


def usable_runs(
    track: FaceTrack, faults: np.ndarray, *, max_gap: int, max_jump: float
) -> list[tuple[int, int]]:
    """Runs (start, stop) of usable frames of one shot.

    A gap of up to `max_gap` frames stays inside of a run; a jump of the face ends it.
    """
    usable = np.flatnonzero(faults == _USABLE)
    if not len(usable):
        return []
    points = track.landmarks[usable][..., :2]
    centre = points.mean(axis=1)
    side = (points.max(axis=1) - points.min(axis=1)).max(axis=-1)
    apart = np.diff(usable)
    jump = np.linalg.norm(np.diff(centre, axis=0), axis=-1) / side[:-1]
    grown = np.abs(np.log(side[1:] / side[:-1]))
    ends = (apart > max_gap + 1) | (np.maximum(jump, grown) > max_jump * apart)
    breaks = np.flatnonzero(ends | (np.diff(track.shot[usable]) > 0))
    starts = np.concatenate(([0], breaks + 1))
    stops = np.concatenate((breaks, [len(usable) - 1]))
    return [(int(usable[a]), int(usable[b]) + 1) for a, b in zip(starts, stops, strict=True)]


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
    clip: ClipSettings,
    face: FaceSettings,
    follow: TrackSettings,
) -> list[Span | LostSpan]:
    """Spans of a track in order: those that become clips, and those that do not with the reason.

    Args:
        track: the face over the clip.
        landmarks: its landmarks without gaps, `t 478 3`.
        clip: what a clip must be.
        face: what a face must be.
        follow: what a trusted face is.
    """
    faults = frame_faults(track, landmarks, face=face, follow=follow)
    runs = usable_runs(track, faults, max_gap=follow.max_gap, max_jump=follow.max_jump)
    spans: list[Span | LostSpan] = []
    before = 0
    for start, stop in runs:
        if stop - start < clip.min_frames:
            continue
        spans += _lost(before, start, faults, clip)
        before = stop
        num = -(-(stop - start) // clip.max_frames)
        edges = np.linspace(start, stop, num + 1).round().astype(int)
        for first, last in zip(edges[:-1], edges[1:], strict=True):
            spans += _steady(int(first), int(last), track, landmarks, clip=clip)
    spans += _lost(before, len(track), faults, clip)
    if not spans:
        detail = f"no {clip.min_frames} frames of one steady face in {len(track)}"
        spans.append(LostSpan(start=0, stop=len(track), reason=Reason.TOO_SHORT, detail=detail))
    return spans


def _smooth(values: np.ndarray) -> np.ndarray:
    return median_filter(values, size=min(FPS, len(values)), mode="nearest")


def _runs_of(flags: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _lost(start: int, stop: int, faults: np.ndarray, clip: ClipSettings) -> Iterator[LostSpan]:
    """Frames between clips, if they could have been one, with their commonest fault."""
    if stop - start < clip.min_frames:
        return
    kinds, counts = np.unique([str(fault) for fault in faults[start:stop]], return_counts=True)
    order = np.argsort(-counts)
    named = [(str(kinds[i]), int(counts[i])) for i in order if kinds[i] != _USABLE]
    text = ", ".join(f"{count} of them {kind}" for kind, count in named) or "only short pieces"
    yield LostSpan(
        start=start,
        stop=stop,
        reason=Reason(named[0][0]) if named else Reason.TOO_SHORT,
        detail=f"frames {start} to {stop}: {text}",
    )


def _steady(
    start: int, stop: int, track: FaceTrack, landmarks: np.ndarray, *, clip: ClipSettings
) -> Iterator[Span | LostSpan]:
    """The span, or its halves where the head moves too much for one crop."""
    crop = steady_crop(landmarks[start:stop], height=track.height, width=track.width)
    if crop.growth > clip.max_growth:
        middle = (start + stop) // 2
        if middle - start < clip.min_frames:
            detail = f"the crop would be {crop.growth:.2f} times the head's"
            yield LostSpan(start=start, stop=stop, reason=Reason.MOVES_TOO_MUCH, detail=detail)
            return
        yield from _steady(start, middle, track, landmarks, clip=clip)
        yield from _steady(middle, stop, track, landmarks, clip=clip)
    elif crop.outside > clip.max_outside:
        detail = f"{crop.outside:.0%} of the crop lies outside of the picture"
        yield LostSpan(start=start, stop=stop, reason=Reason.OUT_OF_PICTURE, detail=detail)
    else:
        yield Span(start=start, stop=stop, crop=crop)
