"""Fréchet distances of a method's videos and real ones.

The real clips are compared with themselves too, and so no video ever meets its own clip at its own
moment: frames meet the other half of the clips' time, windows of motion the other half of the
clips. What real clips score is then the floor. All methods have as many rows, which they must, as
few rows make the distance larger. Shapes: n rows, f features, w frames of a window.
"""

import torch
from torch import Tensor

from vasa.evaluation.methods.videos import MethodReadings
from vasa.evaluation.metrics.frechet import frechet_distance
from vasa.evaluation.video_readings import VideoReadings


def frechet_frames(one: MethodReadings, real: MethodReadings) -> float | None:
    """FD-frames; None where there are too few."""
    halves = [_frame_halves(readings, real) for readings in (one, real)]
    return _crossed(*halves)


def frechet_motion(
    one: MethodReadings, real: MethodReadings, *, window_frames: int
) -> float | None:
    """FD-motion over windows; None where there are too few."""
    series = [motion_series(videos[0]) for videos in real.videos.values()]
    if not series:
        return None
    std, mean = torch.std_mean(torch.cat(series), dim=0)
    std = std.clamp(min=1e-6)
    halves = []
    for readings in (one, real):
        parts: tuple[list[Tensor], list[Tensor]] = ([], [])
        for place, key in enumerate(real.videos):
            if key not in readings.videos or key not in one.videos:
                continue
            moved = (motion_series(readings.videos[key][0]) - mean) / std
            if len(moved) >= window_frames:
                parts[place % 2].append(moved.unfold(0, window_frames, 1).flatten(1))
        halves.append(parts)
    return _crossed(*halves)


def motion_series(video: VideoReadings) -> Tensor:
    """Yaw, pitch, roll, mouth, gaze and lids, `t 8`.

    Where head and gaze stand and how wide a mouth is at rest belong to the camera and the person:
    these are less their mean over the video. How far mouth and lids are open is not.
    """
    levels = torch.cat((video.pose[:, :3], video.gaze, video.mouth[:, 1:]), dim=1)
    opened = torch.stack((video.mouth[:, 0], video.blink), dim=1)
    return torch.cat((levels - levels.mean(dim=0), opened), dim=1).double()


def _frame_halves(
    readings: MethodReadings, beside: MethodReadings
) -> tuple[list[Tensor], list[Tensor]]:
    parts: tuple[list[Tensor], list[Tensor]] = ([], [])
    for key in readings.videos:
        if key in beside.videos:
            features = readings.videos[key][0].features
            middle = len(features) // 2
            parts[0].append(features[:middle])
            parts[1].append(features[middle:])
    return parts


def _crossed(
    one: tuple[list[Tensor], list[Tensor]], real: tuple[list[Tensor], list[Tensor]]
) -> float | None:
    """Mean of first against second halves and of second against first."""
    if any(sum(map(len, half)) < 2 for half in (*one, *real)):
        return None
    pairs = ((one[0], real[1]), (one[1], real[0]))
    found = [frechet_distance(torch.cat(first), torch.cat(second)) for first, second in pairs]
    return sum(found) / len(found)
