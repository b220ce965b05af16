"""The numbers of one video that methods are compared by, and their means over samples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from vasa.evaluation.methods.videos import MethodReadings
from vasa.evaluation.metrics.correlation import is_constant, pearson
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
        of: a video's number; NaN where it has none.
        role: of the network whose weights are the scale: syncnet, capp, or none.
    """

    unit: str
    higher_is_better: bool | None
    note: str
    of: Callable[[VideoReadings], float]
    role: str | None = None


def _sync(read: Callable[[SyncResult], float]) -> Callable[[VideoReadings], float]:
    def score(video: VideoReadings) -> float:
        distances = video.shift_distances
        if not len(distances):
            return float("nan")
        return read(SyncResult(shift_distances=distances, max_shift=len(distances) // 2))

    return score


def _mouth_correlation(video: VideoReadings) -> float:
    found, truth = video.mouth[video.valid, 0], video.truth[video.valid]
    if len(truth) < 3 or is_constant(truth):
        return float("nan")
    return float(pearson(found, truth))


def _jitter(series: Callable[[VideoReadings], torch.Tensor]) -> Callable[[VideoReadings], float]:
    def score(video: VideoReadings) -> float:
        moved = series(video)
        return float("nan") if len(moved) < 3 else float(acceleration_energy(moved).sqrt())

    return score


NEARER = "nearer to real is better; "
SCORES: dict[str, ClipScore] = {
    "sync_confidence": ClipScore(
        unit="S_C(own)",
        higher_is_better=True,
        note="median less smallest distance over shifts; own SyncNet, no published scale; ",
        of=_sync(lambda result: result.confidence),
        role="syncnet",
    ),
    "sync_distance": ClipScore(
        unit="S_D(own)",
        higher_is_better=False,
        note="smallest distance over shifts; own SyncNet, no published scale; ",
        of=_sync(lambda result: result.distance),
        role="syncnet",
    ),
    "capp": ClipScore(
        unit="CAPP(own)",
        higher_is_better=True,
        note="cosine of head motion and sound, mean over windows; own network, no published "
        "scale; ",
        of=lambda video: float(video.capp),
        role="capp",
    ),
    "pose_variation_deg": ClipScore(
        unit="deg/frame",
        higher_is_better=None,
        note="the paper's dP, " + NEARER,
        of=lambda video: float(mean_pose_change(video.pose)),
    ),
    "mouth_correlation": ClipScore(
        unit="r",
        higher_is_better=True,
        note="mouth opening against the label of the clip whose sound it is; ",
        of=_mouth_correlation,
    ),
    "identity_similarity": ClipScore(
        unit="cosine",
        higher_is_better=True,
        note="to the source picture, mean over frames; a still picture is nearest; ",
        of=lambda video: float(video.likeness.mean()),
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
    def of(readings: MethodReadings) -> "MethodScores":
        """Scores every video."""
        found: dict[str, dict[str, float]] = {name: {} for name in SCORES}
        for name, score in SCORES.items():
            for key, samples in readings.videos.items():
                values = torch.tensor([score.of(video) for video in samples]).double()
                if not values.isnan().all():
                    found[name][key] = float(values.nanmean())
        return MethodScores(readings=readings, by_clip=found)
