"""Pose and dynamics swapped apart: does each code move its own part and leave the other alone?

VASA-1 figure 5 as numbers: a person's picture takes the pose of another person's clip but keeps
its own expression, and the other way round; both are re-measured from the frames.
"""

from collections.abc import Callable, Iterable, Sequence

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.measuring import Instrument, measure
from vasa.evaluation.metrics.correlation import ClipCorrelation
from vasa.evaluation.metrics.motion import MotionSpread
from vasa.evaluation.metrics.pose import PoseError
from vasa.evaluation.protocols.pairing import other_person
from vasa.evaluation.protocols.reenactment import Autoencoder, reenact_apart
from vasa.evaluation.results import Bootstrap, ResultRow


def swaps(
    *,
    autoencoder: Autoencoder,
    instrument: Instrument,
    clips: Sequence[EvaluationClip],
    frame_stride: int,
    batch_size: int,
    bootstrap: Bootstrap,
    track: Callable[[Iterable], Iterable],
) -> list[ResultRow]:
    """Rows `swap/pose_only_...` and `swap/dynamics_only_...`; arguments of `self_reenactment`."""
    bootstrap = bootstrap.over(clip.speaker for clip in clips)
    follows = {"pose_only": PoseError(), "dynamics_only": PoseError()}
    mouth = {"pose_only": ClipCorrelation(), "dynamics_only": ClipCorrelation()}
    still_pose, moved_pose = MotionSpread(), MotionSpread()
    still_mouth, moved_mouth = MotionSpread(), MotionSpread()
    for index, clip in enumerate(track(clips)):
        driver = clips[other_person(clips, index)]
        indices = driver.scored_indices(stride=frame_stride)
        results = reenact_apart(
            autoencoder, clip.source(), driver.images(indices), batch_size=batch_size
        )
        seen = {
            name: measure(instrument, getattr(results, name), batch_size=batch_size)
            for name in follows
        }
        for name in follows:
            follows[name].update(seen[name].pose, driver.pose[indices])
            mouth[name].update(seen[name].mouth[:, 0], driver.mouth[indices, 0])
        still_mouth.update(seen["pose_only"].mouth[:, 0])
        moved_mouth.update(seen["dynamics_only"].mouth[:, 0])
        still_pose.update(seen["dynamics_only"].pose[:, :3].rad2deg())
        moved_pose.update(seen["pose_only"].pose[:, :3].rad2deg())
    split = clips[0].split
    other_swap = "the other swap"
    table = (
        (
            "pose_only_pose_error",
            follows["pose_only"],
            follows["dynamics_only"],
            "deg",
            False,
            "pose of the driver alone: the result should stand as the driver does",
        ),
        (
            "dynamics_only_mouth_correlation",
            mouth["dynamics_only"],
            mouth["pose_only"],
            "r",
            True,
            "dynamics of the driver alone: the mouth should move as the driver's",
        ),
        (
            "pose_only_mouth_std",
            still_mouth,
            moved_mouth,
            "eye distances",
            False,
            "the mouth should stay still when only the pose is the driver's",
        ),
        (
            "dynamics_only_pose_std",
            still_pose,
            moved_pose,
            "deg",
            False,
            "the head should stay still when only the dynamics are the driver's",
        ),
    )
    return [
        bootstrap.row(
            metric=f"swap/{name}",
            measured=measured,
            control=control,
            control_name=other_swap,
            split=split,
            unit=unit,
            higher_is_better=is_better,
            note=note + "; re-measured from the result",
        )
        for name, measured, control, unit, is_better, note in table
    ]
