"""The numbers of one video that methods are compared by, and their means over samples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from vasa.evaluation.methods.videos import MethodReadings
from vasa.evaluation.metrics.correlation import is_constant, pearson
from vasa.evaluation.metrics.landmarks import lip_velocity_error
from vasa.evaluation.metrics.motion import acceleration_energy, mean_pose_change
from vasa.evaluation.video_readings import VideoReadings
from vasa.models.sync_score import SyncResult


@dataclass(frozen=True, kw_only=True)
class ClipScore:
    """One number of a video.

    Attributes:
        unit: of the row.
        higher_is_better: None where near to real is.
        note: what it is.
        of: a video's number, given the real video of its clip where there is one; NaN where it has
            none.
    """

    unit: str
    higher_is_better: bool | None
    note: str
    of: "Score"


Score = Callable[[VideoReadings, VideoReadings | None], float]


def _sync(read: Callable[[SyncResult], float]) -> Score:
    def score(video: VideoReadings, _: VideoReadings | None) -> float:
        distances = video.shift_distances
        if not len(distances):
            return float("nan")
        return read(SyncResult(shift_distances=distances, max_shift=len(distances) // 2))

    return score


def _mouth_correlation(video: VideoReadings, _: VideoReadings | None) -> float:
    found, truth = video.mouth[video.valid, 0], video.truth[video.valid]
    if len(truth) < 3 or is_constant(truth):
        return float("nan")
    return float(pearson(found, truth))


def _lips(error: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Score:
    def score(video: VideoReadings, real: VideoReadings | None) -> float:
        if real is None or min(len(video.lips), len(real.lips)) < 2:
            return float("nan")
        length = min(len(video.lips), len(real.lips))
        return float(error(video.lips[:length], real.lips[:length]))

    return score


def _jitter(series: Callable[[VideoReadings], torch.Tensor]) -> Score:
    def score(video: VideoReadings, _: VideoReadings | None) -> float:
        moved = series(video)
        return float("nan") if len(moved) < 3 else float(acceleration_energy(moved).sqrt())

    return score


NEARER = "nearer to real is better; "
SCORES: dict[str, ClipScore] = {
    "sync_confidence": ClipScore(
        unit="S_C",
        higher_is_better=True,
        note="median less smallest distance over shifts; ",
        of=_sync(lambda result: result.confidence),
    ),
    "sync_distance": ClipScore(
        unit="S_D",
        higher_is_better=False,
        note="smallest distance over shifts; ",
        of=_sync(lambda result: result.distance),
    ),
    "capp": ClipScore(
        unit="CAPP(own)",
        higher_is_better=True,
        note="cosine of head motion and sound, mean over windows; own network, no published "
        "scale; ",
        of=lambda video, _: float(video.capp),
    ),
    "pose_variation_deg": ClipScore(
        unit="deg/frame",
        higher_is_better=None,
        note="the paper's dP, " + NEARER,
        of=lambda video, _: float(mean_pose_change(video.pose)),
    ),
    "mouth_correlation": ClipScore(
        unit="r",
        higher_is_better=True,
        note="mouth opening against the label of the clip whose sound it is; ",
        of=_mouth_correlation,
    ),
    "lip_distance": ClipScore(
        unit="% of the eye distance",
        higher_is_better=False,
        note="lip landmarks seen from the eyes to those of the real video (LMD); ",
        of=_lips(lambda lips, real: 100 * (lips - real).norm(dim=-1).mean()),
    ),
    "lip_velocity_error": ClipScore(
        unit="% of the eye distance/frame",
        higher_is_better=False,
        note="steps of lip landmarks from frame to frame against the real video's; a still mouth "
        "scores the real lips' mean speed; ",
        of=_lips(lip_velocity_error),
    ),
    "identity_similarity": ClipScore(
        unit="cosine",
        higher_is_better=True,
        note="to the source picture, mean over frames; a still picture is nearest; ",
        of=lambda video, _: float(video.likeness.mean()),
    ),
    "jitter": ClipScore(
        unit="deg/frame²",
        higher_is_better=None,
        note="root mean square acceleration of yaw, pitch and roll; " + NEARER,
        of=_jitter(lambda video: video.pose[:, :3].double().rad2deg()),
    ),
    "mouth_jitter": ClipScore(
        unit="eye distances/frame²",
        higher_is_better=None,
        note="root mean square acceleration of the mouth's opening and width; " + NEARER,
        of=_jitter(lambda video: video.mouth),
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
                values = torch.tensor([score.of(video, beside) for video in samples]).double()
                if not values.isnan().all():
                    found[name][key] = float(values.nanmean())
        return MethodScores(readings=readings, by_clip=found)
