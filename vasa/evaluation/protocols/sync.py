"""Does a network that knows lips and sound find them together? S_C and S_D with their controls.

SyncNet tries every time shift of the sound (Chung and Zisserman 2016; VASA-1 sec. 4.2). Real clips
come first: where it can't find their true offset, its word on generated clips is worth nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from torch import Tensor

from vasa.data.schema import SAMPLES_PER_FRAME
from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.metrics.clip_metric import ClipMetric, MeanOverClips
from vasa.evaluation.metrics.ratio import RatioOfSums
from vasa.evaluation.metrics.sync import (
    SyncConfidence,
    SyncDistance,
    SyncOffsetAccuracy,
)
from vasa.evaluation.protocols.pairing import SHUFFLED, unrelated
from vasa.evaluation.results import Bootstrap, ResultRow
from vasa.models.sync_score import SyncResult, sync_result

CHANCE = "chance"
PAIRED = ("confidence", "distance")
"""Rows that keep each clip's number, so that runs over the same clips can be compared clip by
clip."""


class SyncEmbedder(Protocol):
    """What the protocol needs of a SyncNet."""

    def embed_video(self, clip: Tensor) -> Tensor: ...

    def embed_audio(self, audio: Tensor) -> Tensor: ...


class SyncScores:
    """All scores of one kind of video (real or generated)."""

    def __init__(self, *, shift_frames: int) -> None:
        self.shift_frames = shift_frames
        self.confidence, self.confidence_shuffled = SyncConfidence(), SyncConfidence()
        self.distance, self.distance_shuffled = SyncDistance(), SyncDistance()
        self.aligned, self.misaligned = MeanOverClips(), MeanOverClips()
        self.exact = SyncOffsetAccuracy(tolerance_frames=0)
        self.near = SyncOffsetAccuracy(tolerance_frames=1)
        self.shifted = SyncOffsetAccuracy(tolerance_frames=1)
        self.chance_exact, self.chance_near = MeanOverClips(), MeanOverClips()

    def add(self, video: Tensor, audio: Tensor, others: Sequence[Tensor]) -> None:
        """Adds a clip: window embeddings of its video, of its sound, and of other clips' sound."""
        result = _compare(video, audio)
        self.confidence.update(result)
        self.distance.update(result)
        self.exact.update(result)
        self.near.update(result)
        self.chance_exact.update(video.new_tensor(self.exact.chance(result)))
        self.chance_near.update(video.new_tensor(self.near.chance(result)))
        middle = result.max_shift
        distances = result.shift_distances
        self.aligned.update(distances[middle])
        # One frame beside the true offset half of the sound is still the same; it is no control.
        away = [index for index in range(len(distances)) if abs(index - middle) > 2]
        self.misaligned.update(distances[away].mean())
        cut = self.shift_frames
        self.shifted.update(_compare(video[:-cut], audio[cut:]), true_offset_frames=-cut)
        with self.confidence_shuffled.one_unit(), self.distance_shuffled.one_unit():
            for other in others:
                result = _compare(video, other)
                self.confidence_shuffled.update(result)
                self.distance_shuffled.update(result)

    def rows(self, *, kind: str, split: str, bootstrap: Bootstrap) -> list[ResultRow]:
        """Rows `sync/<kind>_...`."""
        shifted_name = f"{self.shift_frames} frames cut off the sound: is that found, within ±1?"
        table: tuple[tuple[str, ClipMetric, ClipMetric, str, str, bool, str], ...] = (
            (
                "offset_accuracy",
                self.exact,
                self.chance_exact,
                CHANCE,
                "share",
                True,
                "the true offset is picked among all shifts",
            ),
            (
                "offset_accuracy_within_1",
                self.near,
                self.chance_near,
                CHANCE,
                "share",
                True,
                "the true offset or one frame beside it",
            ),
            (
                "shifted_offset_accuracy",
                self.shifted,
                self.chance_near,
                CHANCE,
                "share",
                True,
                shifted_name,
            ),
            (
                "confidence",
                self.confidence,
                self.confidence_shuffled,
                SHUFFLED,
                "S_C(own)",
                True,
                "median less smallest distance over shifts; own SyncNet, no published scale",
            ),
            (
                "distance",
                self.distance,
                self.distance_shuffled,
                SHUFFLED,
                "S_D(own)",
                False,
                "smallest distance over shifts; own SyncNet, no published scale",
            ),
            (
                "aligned_distance",
                self.aligned,
                self.misaligned,
                "shifted audio: mean beyond ±2 frames",
                "distance",
                False,
                "distance at shift 0",
            ),
        )
        return [
            bootstrap.row(
                metric=f"sync/{kind}_{name}",
                measured=measured,
                control=control,
                control_name=control_name,
                split=split,
                unit=unit,
                higher_is_better=is_better,
                note=note,
                keep_clips=name in PAIRED,
            )
            for name, measured, control, control_name, unit, is_better, note in table
        ]


def _compare(video: Tensor, audio: Tensor) -> SyncResult:
    common = min(len(video), len(audio))
    return sync_result(video[:common], audio[:common])


def sync(
    *,
    syncnet: SyncEmbedder,
    clips: Sequence[EvaluationClip],
    videos: Sequence[Tensor] | None,
    shift_frames: int,
    bootstrap: Bootstrap,
    track: Callable[[Iterable], Iterable],
) -> list[ResultRow]:
    """Rows `sync/real_...` and, where there are generated videos, `sync/generated_...`.

    Args:
        syncnet: embeds windows of lips and of sound; never a training loss of what it scores.
        clips: held-out clips.
        videos: generated frames of each, uint8 `t c h w`; None scores real clips alone.
        shift_frames: of the shifted-audio control.
        bootstrap: how intervals are made.
        track: wraps the loop over clips.
    """
    bootstrap = bootstrap.over(clip.speaker for clip in clips)
    sounds = [syncnet.embed_audio(clip.audio[None])[0] for clip in track(clips)]
    kinds = {"real": [clip.frames for clip in clips]}
    if videos is not None:
        kinds["generated"] = list(videos)
    rows: list[ResultRow] = []
    split = clips[0].split
    found: dict[str, SyncScores] = {}
    for kind, pictures in kinds.items():
        scores = SyncScores(shift_frames=shift_frames)
        for index, frames in enumerate(track(pictures)):
            length = min(len(frames), len(clips[index].audio) // SAMPLES_PER_FRAME)
            video = syncnet.embed_video(frames[None, :length].float() / 255)[0]
            others = [sounds[other] for other in unrelated(clips, index)]
            scores.add(video, sounds[index], others)
        rows += scores.rows(kind=kind, split=split, bootstrap=bootstrap)
        found[kind] = scores
    if "generated" in found:
        rows.append(_ratio(found["generated"], found["real"], split=split, bootstrap=bootstrap))
    return rows


def _ratio(scores: SyncScores, real: SyncScores, *, split: str, bootstrap: Bootstrap) -> ResultRow:
    """S_C of generated over S_C of real clips; each clip's two scores are drawn together."""
    ratio, shuffled = RatioOfSums(), RatioOfSums()
    below = real.confidence.stacked()[:, 0]
    for metric, above in ((ratio, scores.confidence), (shuffled, scores.confidence_shuffled)):
        # Of shuffled audio a clip has many scores: their mean.
        for top, bottom in zip(above.per_clip(), below, strict=True):
            metric.update(top, bottom)
    return bootstrap.row(
        metric="generated/sync_ratio",
        measured=ratio,
        control=shuffled,
        control_name=SHUFFLED,
        split=split,
        unit="ratio",
        note="S_C of generated over S_C of real clips by this SyncNet, 1 is real; above it lips "
        "follow the sound more closely than people's do",
    )
