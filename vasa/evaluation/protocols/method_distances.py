"""Fréchet distances of a method's videos and real ones, with intervals.

The real clips are compared with themselves too, and so no video ever meets its own clip at its own
moment: frames meet the other half of the clips' time, windows of motion the other half of the
clips. What real clips score is then the floor. All methods have as many rows, which they must, as
few rows make the distance larger.

Shapes: n rows, f features, w frames of a window.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vasa.evaluation.jackknife import jackknife_interval
from vasa.evaluation.methods.videos import MethodReadings
from vasa.evaluation.metrics.clip_metric import several
from vasa.evaluation.metrics.frechet import FrechetDistance
from vasa.evaluation.video_readings import VideoReadings
from vasa.types import FaceMeasurements

GROUPS = 12
"""Parts of the people whose clips are left out in turn, for the intervals."""

Moving = VideoReadings | FaceMeasurements

CROSSED = ((0, 1), (1, 0))
"""Which half of the videos meets which half of the real clips."""

Halves = Mapping[str, tuple[Tensor, Tensor]]
"""Each clip's rows `n f` of the first half and of the second; one of them may have none."""


@dataclass(frozen=True, kw_only=True)
class Distance:
    """A distance and its 95% interval; nan without clips enough for one.

    Attributes:
        rows: of the videos and of the real clips, of either half.
        num_clips: that gave any.
        num_people: in those clips, where several show one person; else None.
        num_short: that are too short to give any.
    """

    value: float
    ci_low: float
    ci_high: float
    rows: tuple[tuple[int, int], ...]
    num_clips: int
    num_people: int | None
    num_short: int

    def rows_text(self) -> str:
        """`90 rows against 96` of real clips; of both halves where they differ."""
        return " and ".join(dict.fromkeys(f"{one} rows against {two}" for one, two in self.rows))


def frechet_frames(
    one: MethodReadings, real: MethodReadings, *, speakers: Mapping[str, str]
) -> Distance | None:
    """FD-frames; None where there are too few."""
    return _of_frames(one, real, speakers, lambda video: video.features)


def fid(
    one: MethodReadings, real: MethodReadings, *, speakers: Mapping[str, str]
) -> Distance | None:
    """FID of frames; None where there are too few."""
    return _of_frames(one, real, speakers, lambda video: video.inception)


def _of_frames(
    one: MethodReadings,
    real: MethodReadings,
    speakers: Mapping[str, str],
    features: Callable[[VideoReadings], Tensor],
) -> Distance | None:
    keys = [key for key in real.videos if key in one.videos]
    halves = [
        {key: _in_time(features(readings.videos[key][0])) for key in keys}
        for readings in (one, real)
    ]
    return _with_interval(halves[0], halves[1], speakers)


def frechet_clips(
    one: Mapping[str, Tensor],
    real: Mapping[str, Tensor],
    *,
    max_rows: int,
    speakers: Mapping[str, str],
) -> Distance | None:
    """FVD of short clips; None where there are too few.

    Args:
        one: features of each video's clips, `2 n f`: of its first and of its second half.
        real: the same of the real clips.
        max_rows: of either half of all videos together, as many of each as the rest allows.
        speakers: who is in each clip, by key.
    """
    keys = [key for key in real if key in one]
    first, second = (_at_most({key: side[key] for key in keys}, max_rows) for side in (one, real))
    return _with_interval(first, second, speakers)


def _at_most(clips: Mapping[str, Tensor], max_rows: int) -> Halves:
    """The first `2 n f` of each, turn by turn, until there are enough."""
    turns = [
        (turn, place)
        for place, features in enumerate(clips.values())
        for turn in range(features.shape[1])
    ]
    kept = Counter(place for _, place in sorted(turns)[:max_rows])
    return {
        key: (features[0, : kept[place]], features[1, : kept[place]])
        for place, (key, features) in enumerate(clips.items())
    }


def frechet_motion(
    one: MethodReadings,
    real: MethodReadings,
    *,
    window_frames: int,
    speakers: Mapping[str, str],
) -> Distance | None:
    """FD-motion over windows of each clip's first sample; None where there are too few."""
    first, own = ({key: videos[0] for key, videos in some.videos.items()} for some in (one, real))
    return motion_distance(first, own, window_frames=window_frames, speakers=speakers)


def motion_distance(
    one: Mapping[str, Moving],
    real: Mapping[str, Moving],
    *,
    window_frames: int,
    speakers: Mapping[str, str],
) -> Distance | None:
    """FD-motion of videos and real ones by clip key; None where there are too few."""
    series = {key: motion_series(video) for key, video in real.items()}
    if not series:
        return None
    std, mean = torch.std_mean(torch.cat(list(series.values())), dim=0)
    std = std.clamp(min=1e-6)
    halves: tuple[dict[str, tuple[Tensor, Tensor]], ...] = ({}, {})
    for place, (key, own) in enumerate(series.items()):
        if key not in one:
            continue
        for half, moved in zip(halves, (motion_series(one[key]), own), strict=True):
            windows = _windows((moved - mean) / std, window_frames)
            none = windows[:0]
            half[key] = (none, windows) if place % 2 else (windows, none)
    return _with_interval(halves[0], halves[1], speakers)


def motion_series(video: Moving) -> Tensor:
    """Yaw, pitch, roll, mouth, gaze and lids, `t 8`.

    Where head and gaze stand and how wide a mouth is at rest belong to the camera and the person:
    these are less their mean over the video. How far mouth and lids are open is not.
    """
    levels = torch.cat((video.pose[:, :3], video.gaze, video.mouth[:, 1:]), dim=1)
    opened = torch.stack((video.mouth[:, 0], video.blink), dim=1)
    return torch.cat((levels - levels.mean(dim=0), opened), dim=1).double()


def _in_time(features: Tensor) -> tuple[Tensor, Tensor]:
    middle = len(features) // 2
    return features[:middle], features[middle:]


def _windows(series: Tensor, num_frames: int) -> Tensor:
    """All windows of a series `t 8`, `n 8w`; none of one that is shorter."""
    if len(series) < num_frames:
        return series.new_zeros(0, series.shape[1] * num_frames)
    return series.unfold(0, num_frames, 1).flatten(1)


def _with_interval(one: Halves, real: Halves, speakers: Mapping[str, str]) -> Distance | None:
    """The distance, and how it varies as each group of people is left out in turn."""
    keys = [key for key in one if any(map(len, one[key])) and any(map(len, real[key]))]
    value = _crossed(one, real, keys)
    if value is None:
        return None
    # Neighbours in pairs: a group has a clip of either half.
    people = {person: place for place, person in enumerate(dict.fromkeys(map(speakers.get, keys)))}
    group_of = {key: people[speakers[key]] // 2 % GROUPS for key in keys}
    num = max(group_of.values()) + 1
    left = [
        _crossed(one, real, [key for key in keys if group_of[key] != group]) for group in range(num)
    ]
    known = [found for found in left if found is not None]
    low, high = jackknife_interval(value, known if len(known) == num else [])
    rows = tuple(
        (
            sum(len(one[key][mine]) for key in keys),
            sum(len(real[key][theirs]) for key in keys),
        )
        for mine, theirs in CROSSED
    )
    return Distance(
        value=value,
        ci_low=float(np.maximum(low, 0)),
        ci_high=high,
        rows=rows,
        num_clips=len(keys),
        num_people=several([speakers[key] for key in keys]),
        num_short=len(one) - len(keys),
    )


def _crossed(one: Halves, real: Halves, keys: list[str]) -> float | None:
    """Mean of first against second halves and of second against first."""
    found = []
    for mine, theirs in CROSSED:
        first = torch.cat([one[key][mine] for key in keys]) if keys else torch.zeros(0, 1)
        second = torch.cat([real[key][theirs] for key in keys]) if keys else first
        if min(len(first), len(second)) < 2:
            return None
        distance = FrechetDistance()
        distance.update(first, is_real=False)
        distance.update(second, is_real=True)
        found.append(float(distance.compute()))
    return sum(found) / len(found)
