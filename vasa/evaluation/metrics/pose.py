"""Head pose error in degrees."""

from torch import Tensor

from vasa.evaluation.metrics.clip_metric import ClipMean
from vasa.geometry.rotation import rotation_angle_between, rotation_from_angles

ANGLES = ("yaw", "pitch", "roll")


class PoseError(ClipMean):
    """Geodesic angle between head rotations: arccos((trace(R1^T R2) - 1) / 2).

    Mean over frames, then over clips; degrees. Range: 0 to 180, lower is better. Source: Huynh 2009
    (its phi_6).
    """

    higher_is_better = False

    def update(self, result: Tensor, target: Tensor) -> None:
        """Adds one clip: yaw, pitch, roll (rad) in the first three columns of `t 3+` twice."""
        first = rotation_from_angles(result[:, :3].double())
        second = rotation_from_angles(target[:, :3].double())
        self.add_frames(rotation_angle_between(first, second).rad2deg())


class AngleError(ClipMean):
    """Mean absolute difference of one of yaw, pitch, roll in degrees, over frames, then clips.

    Range: 0 to 180, lower is better. Source: Fanelli et al. 2013, as head pose benchmarks give it.

    Args:
        angle: yaw, pitch or roll.
    """

    higher_is_better = False

    def __init__(self, *, angle: str) -> None:
        super().__init__()
        self.column = ANGLES.index(angle)

    def update(self, result: Tensor, target: Tensor) -> None:
        """Adds one clip: yaw, pitch, roll (rad) in the first three columns of `t 3+` twice."""
        difference = (result - target)[:, self.column].double()
        self.add_frames(difference.abs().rad2deg())
