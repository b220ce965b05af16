"""The numbers of one video that methods are compared by, and their means over samples."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from vasa.evaluation.methods.videos import MethodReadings
from vasa.evaluation.metrics.capp import CappScore
from vasa.evaluation.metrics.clip_metric import ClipMean
from vasa.evaluation.metrics.correlation import ClipCorrelation
from vasa.evaluation.metrics.identity import IdentitySimilarity
from vasa.evaluation.metrics.landmarks import LipDistance, MouthVelocityError
from vasa.evaluation.metrics.motion import Jitter, PoseVariation
from vasa.evaluation.metrics.sync import SyncConfidence, SyncDistance
from vasa.evaluation.video_readings import VideoReadings
from vasa.models.sync_score import SyncResult

MIN_MOUTH_FRAMES = 3
Add = Callable[[Any, VideoReadings, VideoReadings | None], None]
"""Adds a video to a metric, given the real video of its clip where there is one; nothing, or an
empty clip, where it has no such number."""


@dataclass(frozen=True, kw_only=True)
class ClipScore:
    """One number of a video.

    Attributes:
        metric: makes the metric whose number it is; its direction is the row's.
        add: gives a video to it.
        unit: of the row.
        note: what it is.
        role: of the network whose weights are the scale: syncnet, capp, or none.
    """

    metric: Callable[[], ClipMean]
    add: Add
    unit: str
    note: str
    role: str | None = None

    @property
    def higher_is_better(self) -> bool | None:
        """None where near to real is."""
        return self.metric().higher_is_better

    def of(self, videos: Iterable[VideoReadings], real: VideoReadings | None) -> float:
        """Mean over a clip's samples; NaN where none of them has the number."""
        metric = self.metric()
        for video in videos:
            self.add(metric, video, real)
        return float(metric.per_clip().nanmean()) if metric.num_scored else math.nan

    def mean_of(self, values: Iterable[float]) -> ClipMean:
        """The metric of clips whose numbers are known; NaN is a clip without one."""
        metric = self.metric()
        for value in values:
            if math.isnan(value):
                metric.add_empty()
            else:
                metric.add_value(torch.tensor(value, dtype=torch.float64))
        return metric


def _sync(
    metric: SyncConfidence | SyncDistance, video: VideoReadings, _: VideoReadings | None
) -> None:
    distances = video.shift_distances
    if len(distances):
        metric.update(SyncResult(shift_distances=distances, max_shift=len(distances) // 2))


def _capp(metric: CappScore, video: VideoReadings, _: VideoReadings | None) -> None:
    if not video.capp.isnan():
        metric.add_value(video.capp)


def _mouth(metric: ClipCorrelation, video: VideoReadings, _: VideoReadings | None) -> None:
    if video.valid.sum() >= MIN_MOUTH_FRAMES:
        metric.update(video.mouth[video.valid, 0], video.truth[video.valid])


def _lips(
    metric: LipDistance | MouthVelocityError, video: VideoReadings, real: VideoReadings | None
) -> None:
    if real is not None:
        length = min(len(video.lips), len(real.lips))
        metric.update(video.lips[:length], real.lips[:length])


NEARER = "nearer to real is better; "
SCORES: dict[str, ClipScore] = {
    "sync_confidence": ClipScore(
        metric=SyncConfidence,
        add=_sync,
        unit="S_C(own)",
        note="median less smallest distance over shifts; own SyncNet, no published scale; ",
        role="syncnet",
    ),
    "sync_distance": ClipScore(
        metric=SyncDistance,
        add=_sync,
        unit="S_D(own)",
        note="smallest distance over shifts; own SyncNet, no published scale; ",
        role="syncnet",
    ),
    "capp": ClipScore(
        metric=CappScore,
        add=_capp,
        unit="CAPP(own)",
        note="cosine of head motion and sound, mean over windows; own network, no published "
        "scale; ",
        role="capp",
    ),
    "pose_variation_deg": ClipScore(
        metric=PoseVariation,
        add=lambda metric, video, _: metric.update(video.pose),
        unit="deg/frame",
        note="the paper's dP, " + NEARER,
    ),
    "mouth_correlation": ClipScore(
        metric=ClipCorrelation,
        add=_mouth,
        unit="r",
        note="mouth opening against the label of the clip whose sound it is; ",
    ),
    "lip_distance": ClipScore(
        metric=LipDistance,
        add=_lips,
        unit="% of the eye distance",
        note="lip landmarks seen from the eyes to those of the real video (LMD); ",
    ),
    "lip_velocity_error": ClipScore(
        metric=MouthVelocityError,
        add=_lips,
        unit="% of the eye distance/frame",
        note="steps of lip landmarks from frame to frame against the real video's; a still mouth "
        "scores the real lips' mean speed; ",
    ),
    "identity_similarity": ClipScore(
        metric=IdentitySimilarity,
        add=lambda metric, video, _: metric.add_frames(video.likeness),
        unit="cosine",
        note="to the source picture, mean over frames; a still picture is nearest; ",
    ),
    "jitter": ClipScore(
        metric=Jitter,
        add=lambda metric, video, _: metric.update(video.pose[:, :3].double().rad2deg()),
        unit="deg/frame²",
        note="root mean square acceleration of yaw, pitch and roll; " + NEARER,
    ),
    "mouth_jitter": ClipScore(
        metric=Jitter,
        add=lambda metric, video, _: metric.update(video.mouth),
        unit="eye distances/frame²",
        note="root mean square acceleration of the mouth's opening and width; " + NEARER,
    ),
}


@dataclass(frozen=True, kw_only=True)
class MethodScores:
    """Numbers of one method.

    Attributes:
        readings: of its videos.
        by_clip: each clip's number by score and key; clips without one are left out.
    """

    readings: MethodReadings
    by_clip: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @staticmethod
    def of(readings: MethodReadings, *, real: MethodReadings | None) -> "MethodScores":
        """Scores every video, some beside the real video of the clip."""
        found: dict[str, dict[str, float]] = {name: {} for name in SCORES}
        for name, score in SCORES.items():
            for key, samples in readings.videos.items():
                others = {} if real is None or real is readings else real.videos
                beside = others[key][0] if key in others else None
                if not math.isnan(value := score.of(samples, beside)):
                    found[name][key] = value
        return MethodScores(readings=readings, by_clip=found)
