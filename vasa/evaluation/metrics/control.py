"""What a video shows of gaze, distance and emotion as a whole, and how far that is from a wish.

Shapes: t frames, n videos.
"""

import torch
from torch import Tensor

from vasa.data.controls import head_distance, main_gaze
from vasa.evaluation.metrics.clip_metric import ClipMean, ClipMetric
from vasa.types import FaceMeasurements

OPEN_EYES = 0.5
"""Gaze counts where blink is below it: nobody sees where closed eyes look."""


def seen_gaze(seen: FaceMeasurements) -> Tensor:
    """g of the frames with open eyes (of all, where none are), theta and phi in rad, `2`."""
    is_open = seen.blink < OPEN_EYES
    gaze = seen.gaze[is_open] if is_open.any() else seen.gaze
    return torch.from_numpy(main_gaze(gaze.double().numpy())).double()


def seen_distance(seen: FaceMeasurements, *, skip: int = 0) -> Tensor:
    """d, the head's distance over the distance at scale 1, a scalar; `skip` leaves out frames."""
    pose = seen.pose[min(skip, len(seen.pose) - 1) :]
    return torch.from_numpy(head_distance(pose.double().numpy())).double()[0]


def gaze_direction(gaze: Tensor) -> Tensor:
    """Unit vectors of theta (sideways) and phi (up and down), `... 2` to `... 3`."""
    theta, phi = gaze.double().unbind(-1)
    return torch.stack(
        (theta.sin() * phi.cos(), phi.sin(), theta.cos() * phi.cos()),
        dim=-1,
    )


class GazeError(ClipMean):
    """E_g: angle between two main gazes in degrees, mean over the videos of a clip, then clips.

    Range: 0 to 180, lower is better. Source: VASA-1 sec. 4.3.
    """

    higher_is_better = False

    def update(self, result: Tensor, target: Tensor) -> None:
        """Adds one clip: theta, phi of its videos, `n 2` twice."""
        first, second = gaze_direction(result), gaze_direction(target)
        cosine = (first * second).sum(dim=-1)
        sine = torch.linalg.cross(first, second).norm(dim=-1)
        self.add_frames(torch.atan2(sine, cosine).rad2deg())


class DistanceError(ClipMean):
    """E_d: mean |d - d'| of head distances in mean distances, over videos of a clip, then clips.

    Range: 0 up, lower is better. Source: VASA-1 sec. 4.3; its unit is that of its own face model.
    """

    higher_is_better = False

    def update(self, result: Tensor, target: Tensor) -> None:
        """Adds one clip: distances of its videos, `n` twice."""
        self.add_frames((result.double() - target.double()).abs())


class EmotionError(ClipMean):
    """Half of sum |e - e'| of emotions' weights, mean over videos of a clip, then clips.

    Half, so that one feeling in the place of another counts once. Range: 0 to 1 of weights that sum
    to 1, lower is better. Source: this project (total variation distance).
    """

    higher_is_better = False

    def update(self, result: Tensor, target: Tensor) -> None:
        """Adds one clip: weights of its videos, `n 8` twice."""
        self.add_frames((result.double() - target.double()).abs().sum(dim=-1) / 2)


class ObeyedShare(ClipMetric):
    """sum <x, y> / sum |y|^2 of centred results x and asked values y: how much of a change arrives.

    A correlation is high already where little arrives, if only steadily. Range: any; 1 is best (all
    of it arrives), 0 none, negative the wrong way. Source: this project (slope of a regression).
    """

    higher_is_better = None

    def update(self, result: Tensor, target: Tensor) -> None:
        """Adds one clip: its videos' readings and what they were asked, `n` or `n d` twice."""
        x = result.double() - result.double().mean(dim=0)
        y = target.double() - target.double().mean(dim=0)
        self.add_clip(torch.stack(((x * y).sum(), (y * y).sum())))

    @staticmethod
    def reduce(totals: Tensor) -> Tensor:
        return totals[..., 0] / totals[..., 1]
