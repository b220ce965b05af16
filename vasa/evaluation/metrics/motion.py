"""How much and how roughly something moves from frame to frame, at 25 fps."""

import torch
from torch import Tensor

from vasa.evaluation.metrics.clip_metric import ClipMean
from vasa.geometry.rotation import rotation_angle_between, rotation_from_angles


def mean_pose_change(pose: Tensor) -> Tensor:
    """dP (VASA-1 sec. 4.2): mean head rotation from one frame to the next in degrees.

    Args:
        pose: yaw, pitch, roll (rad) first, `t 3+`.
    """
    rotation = rotation_from_angles(pose[:, :3].double())
    return rotation_angle_between(rotation[1:], rotation[:-1]).rad2deg().mean()


class PoseVariation(ClipMean):
    """dP, pose variation intensity: mean over clips of `mean_pose_change`, degrees a frame.

    Range: 0 to 180; nearer to real is better: a detector's noise raises it as well as a lively
    head, so that real clips re-measured by the same detector belong beside it. Source: VASA-1
    sec. 4.2, which leaves the angle's definition open.
    """

    higher_is_better = None

    def update(self, pose: Tensor) -> None:
        """Adds one clip: yaw, pitch, roll (rad) in the first three columns of `t 3+`.

        One of under two frames is left out.
        """
        if len(pose) < 2:
            self.add_empty()
        else:
            self.add_value(mean_pose_change(pose))


def acceleration_energy(series: Tensor) -> Tensor:
    """Mean |x_(t+1) - 2 x_t + x_(t-1)|^2 of a series `t d`: 0 for rest and for even motion.

    Of a swing of amplitude a and period T it is (a^2 / 2) (2 sin(pi / T))^4 for each component: the
    same swing in half the time counts up to 16 times, which is how trembling shows.

    Raises:
        ValueError: under three frames.
    """
    if len(series) < 3:
        raise ValueError(f"expected three frames or more, got {len(series)}")
    return series.double().diff(n=2, dim=0).square().sum(dim=-1).mean()


class Jitter(ClipMean):
    """Mean over clips of the root of `acceleration_energy`, in the series' unit a frame squared.

    Range: 0 up; nearer to real is better, since a still picture has none. Source: this project
    (Kanazawa et al. 2019 take the acceleration of joints so).
    """

    higher_is_better = None

    def update(self, series: Tensor) -> None:
        """Adds one clip: `t d` of one unit (degrees, eye distances).

        One of under three frames is left out.
        """
        if len(series) < 3:
            self.add_empty()
        else:
            self.add_value(torch.sqrt(acceleration_energy(series)))


class MotionSpread(ClipMean):
    """Standard deviation of a series over a clip's frames, mean over clips; in the series' unit.

        sqrt(sum over components of the variance over frames)

    Range: 0 up; nearer to real is better, or less where a part should rest. Source: this project.
    """

    higher_is_better = None

    def update(self, series: Tensor) -> None:
        """Adds one clip: `t` or `t d` of one unit; one of under two frames is left out."""
        if len(series) < 2:
            self.add_empty()
        else:
            self.add_value(series.std(dim=0).norm())
