"""What the experts read of gaze, distance and emotion in real frames: no video can obey better.

A clip's labels say what it shows as a whole, and the experts' reading of its frames is held against
that, over clips. Arguments as in the other protocols.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vasa.data.controls import head_distance, main_gaze, mean_emotion
from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.control_sweep import frame_emotion
from vasa.evaluation.emotion_reader import EmotionReader
from vasa.evaluation.measuring import Instrument, measure
from vasa.evaluation.metrics.clip_metric import ClipMetric
from vasa.evaluation.metrics.control import DistanceError, GazeError, seen_distance, seen_gaze
from vasa.evaluation.metrics.correlation import PooledCorrelation
from vasa.evaluation.protocols.pairing import unrelated
from vasa.evaluation.results import Bootstrap, ResultRow

OTHERS = "labels of every other clip"


@dataclass(frozen=True, kw_only=True)
class _Whole:
    """A clip as a whole: gaze `2`, distance `1`, emotion `8`."""

    gaze: Tensor
    distance: Tensor
    emotion: Tensor


def _truth(clip: EvaluationClip) -> _Whole:
    emotion = torch.full((1, 8), torch.nan) if clip.emotion is None else clip.emotion
    return _Whole(
        gaze=torch.from_numpy(main_gaze(clip.gaze[clip.valid].double().numpy())).double(),
        distance=torch.from_numpy(head_distance(clip.pose[clip.valid].double().numpy())).double(),
        emotion=torch.from_numpy(mean_emotion(emotion.double().numpy())).double(),
    )


def control_floor(
    *,
    instrument: Instrument,
    reader: EmotionReader | None,
    clips: Sequence[EvaluationClip],
    batch_size: int,
    bootstrap: Bootstrap,
    track: Callable[[Iterable], Iterable],
) -> list[ResultRow]:
    """Rows `control/expert_...`; emotion is centred over the clips, an emotion at a time."""
    bootstrap = bootstrap.over(clip.speaker for clip in clips)
    seen = []
    for clip in track(clips):
        images = clip.images(clip.valid.nonzero().flatten())
        found = measure(instrument, images, batch_size=batch_size)
        seen.append(
            _Whole(
                gaze=seen_gaze(found),
                distance=seen_distance(found)[None],
                emotion=frame_emotion(reader, images, found),
            )
        )
    truth = [_truth(clip) for clip in clips]
    mean_seen = torch.stack([one.emotion for one in seen]).mean(dim=0)
    mean_truth = torch.stack([one.emotion for one in truth]).mean(dim=0)

    def pair(name: str, index: int, other: int) -> tuple[Tensor, Tensor]:
        one, true = seen[index], truth[other]
        if name.startswith("gaze_error"):
            return one.gaze[None], true.gaze[None]
        if name.startswith("gaze"):
            column = int(name.startswith("gaze_phi"))
            return one.gaze[column : column + 1], true.gaze[column : column + 1]
        if name.startswith("distance"):
            return one.distance, true.distance
        return one.emotion - mean_seen, true.emotion - mean_truth

    kinds: list[tuple[str, Callable[[], ClipMetric], str]] = [
        ("gaze_theta_correlation", PooledCorrelation, "r"),
        ("gaze_phi_correlation", PooledCorrelation, "r"),
        ("gaze_error_deg", GazeError, "deg"),
        ("distance_correlation", PooledCorrelation, "r"),
        ("distance_error", DistanceError, "mean distances"),
    ]
    if reader is not None:
        kinds.append(("emotion_correlation", PooledCorrelation, "r"))
    rows = []
    for name, kind, unit in kinds:
        own, others = kind(), kind()
        for index in range(len(clips)):
            own.update(*pair(name, index, index))  # type: ignore[operator]
            with others.one_unit():
                for other in unrelated(clips, index):
                    others.update(*pair(name, index, other))  # type: ignore[operator]
        note = "of real frames, over clips: no generated frame can be read better"
        if name.startswith("emotion") and reader is not None:
            note += f"; {reader.note}"
        rows.append(
            bootstrap.row(
                metric=f"control/expert_{name}",
                measured=own,
                control=others,
                control_name=OTHERS,
                split=clips[0].split,
                unit=unit,
                note=note,
            )
        )
    return rows
