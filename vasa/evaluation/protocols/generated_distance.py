"""FVD_25 of the protocol `generated`, talking videos against real clips: VASA-1's table 5."""

from collections.abc import Callable, Iterable, Sequence

from torch import Tensor

from vasa.evaluation.clip_features import ClipFeatures
from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.protocols.distance_rows import VASA_ROWS, full_note, fvd_note
from vasa.evaluation.protocols.method_distances import frechet_clips
from vasa.evaluation.results import ResultRow


def generated_distance(
    *,
    i3d: ClipFeatures,
    clips: Sequence[EvaluationClip],
    videos: Sequence[Tensor],
    real_videos: Sequence[Tensor],
    max_rows: int,
    batch_size: int,
    track: Callable[[Iterable], Iterable],
) -> list[ResultRow]:
    """The row `generated/fvd_25`; none where there are too few clips of 50 frames and more.

    Args:
        i3d: describes short clips.
        clips: held-out clips.
        videos: generated frames of each, uint8 `t c h w`.
        real_videos: real ones through the same codec.
        max_rows: short clips a side, at most.
        batch_size: frames at once.
        track: wraps the loop over clips.
    """
    made: dict[str, Tensor] = {}
    real: dict[str, Tensor] = {}
    for clip, video, own in zip(track(clips), videos, real_videos, strict=True):
        length = min(len(video), len(own))
        for found, frames in ((made, video), (real, own)):
            images = frames[:length].float() / 255
            found[clip.key] = i3d.halves(images, key=clip.key, batch_size=batch_size)
    speakers = {clip.key: clip.speaker for clip in clips}
    distance = frechet_clips(made, real, max_rows=max_rows, speakers=speakers)
    if distance is None:
        return []
    floor = frechet_clips(real, real, max_rows=max_rows, speakers=speakers)
    return [
        ResultRow(
            metric="generated/fvd_25",
            value=distance.value,
            control=None if floor is None else floor.value,
            control_name="real clips against real clips",
            split=clips[0].split,
            n=distance.num_clips,
            n_people=distance.num_people,
            unit="FVD",
            higher_is_better=False,
            ci_low=distance.ci_low,
            ci_high=distance.ci_high,
            note=full_note(fvd_note(i3d), distance, VASA_ROWS),
            stamp={"features": i3d.judge},
        )
    ]
