"""Calibration of the measuring expert on real held-out frames.

Every re-measured number can only be as good as the instrument; these rows say how good that is.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack

from torch import Tensor

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.measuring import Instrument, measure
from vasa.evaluation.metrics.correlation import ClipCorrelation, PooledCorrelation
from vasa.evaluation.metrics.identity import IdentitySimilarity
from vasa.evaluation.metrics.pose import PoseError
from vasa.evaluation.protocols.pairing import unrelated
from vasa.evaluation.results import Bootstrap, ResultRow
from vasa.types import FaceMeasurements

FACTORS: dict[str, Callable[[EvaluationClip | FaceMeasurements], Tensor]] = {
    "yaw": lambda seen: seen.pose[:, 0],
    "pitch": lambda seen: seen.pose[:, 1],
    "roll": lambda seen: seen.pose[:, 2],
    "mouth_opening": lambda seen: seen.mouth[:, 0],
    "mouth_width": lambda seen: seen.mouth[:, 1],
    "gaze_theta": lambda seen: seen.gaze[:, 0],
    "gaze_phi": lambda seen: seen.gaze[:, 1],
    "blink": lambda seen: seen.blink,
}
"""The same series `t` of a clip's labels and of measurements."""

OTHER = "labels of every other clip"


def instrument_calibration(
    *,
    instrument: Instrument,
    clips: Sequence[EvaluationClip],
    frame_stride: int,
    batch_size: int,
    bootstrap: Bootstrap,
    track: Callable[[Iterable], Iterable],
) -> list[ResultRow]:
    """Rows `expert/<factor>_r` (pooled), pose error, mouth correlation a clip, identity.

    `expert/mouth_correlation` is the ceiling of every re-measured mouth correlation, and
    `expert/pose_error` the floor of every re-measured pose error. Arguments as in
    `self_reenactment`.
    """
    bootstrap = bootstrap.over(clip.speaker for clip in clips)
    pooled = {name: (PooledCorrelation(), PooledCorrelation()) for name in FACTORS}
    pose, pose_other = PoseError(), PoseError()
    mouth, mouth_other = ClipCorrelation(), ClipCorrelation()
    same, others = IdentitySimilarity(), IdentitySimilarity()
    seen_clips = [
        measure(
            instrument,
            clip.images(clip.scored_indices(stride=frame_stride)),
            batch_size=batch_size,
        )
        for clip in track(clips)
    ]
    for index, (clip, seen) in enumerate(zip(clips, seen_clips, strict=True)):
        indices = clip.scored_indices(stride=frame_stride)
        for name, factor in FACTORS.items():
            pooled[name][0].update(factor(seen), factor(clip)[indices])
        pose.update(seen.pose, clip.pose[indices])
        mouth.update(seen.mouth[:, 0], clip.mouth[indices, 0])
        same.update(seen.identity[1:], seen.identity[0])
        with ExitStack() as stack:
            for metric in (
                pose_other,
                mouth_other,
                others,
                *(pair[1] for pair in pooled.values()),
            ):
                stack.enter_context(metric.one_unit())
            for other in unrelated(clips, index):
                stranger = clips[other]
                common = indices[indices < len(stranger.pose)]
                for name, factor in FACTORS.items():
                    pooled[name][1].update(factor(seen)[: len(common)], factor(stranger)[common])
                pose_other.update(seen.pose[: len(common)], stranger.pose[common])
                mouth_other.update(seen.mouth[: len(common), 0], stranger.mouth[common, 0])
                if stranger.speaker != clip.speaker:
                    others.update(seen.identity[1:], seen_clips[other].identity[0])
    split = clips[0].split
    rows = [
        (f"{name}_r", *pair, OTHER, "r", "the clips' own frames, pooled")
        for name, pair in pooled.items()
    ]
    rows += [
        (
            "pose_error",
            pose,
            pose_other,
            OTHER,
            "deg",
            "floor of every re-measured pose error",
        ),
        (
            "mouth_correlation",
            mouth,
            mouth_other,
            OTHER,
            "r",
            "mean over clips: ceiling of every re-measured mouth correlation",
        ),
        (
            "identity_similarity",
            same,
            others if others.num_scored else None,
            "frames of other people",
            "cosine",
            "frames of one clip against its first",
        ),
    ]
    return [
        bootstrap.row(
            metric=f"expert/{name}",
            measured=measured,
            control=control,
            control_name=control_name,
            split=split,
            unit=unit,
            note=note,
        )
        for name, measured, control, control_name, unit, note in rows
    ]
