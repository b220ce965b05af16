"""S_C, S_D and the offset as metrics over clips; `vasa.models.sync_score` says what they are."""

import torch

from vasa.evaluation.metrics.clip_metric import ClipMean
from vasa.models.sync_score import SyncResult


class SyncConfidence(ClipMean):
    """S_C: median less smallest distance of lips and sound over time shifts, mean over clips.

    Range: 0 to 2 with embeddings of length 1, higher is better; near 0 where nothing fits. Source:
    SyncNet (Chung and Zisserman 2016), VASA-1 sec. 4.2; only numbers of one network compare.
    """

    higher_is_better = True

    def update(self, result: SyncResult) -> None:
        """Adds one clip."""
        self.add_value(torch.tensor(result.confidence))


class SyncDistance(ClipMean):
    """S_D: smallest distance of lips and sound over time shifts, mean over clips.

    Range: 0 to 2 with embeddings of length 1, lower is better. Source: SyncNet (Chung and Zisserman
    2016), VASA-1 sec. 4.2; only numbers of one network compare.
    """

    higher_is_better = False

    def update(self, result: SyncResult) -> None:
        """Adds one clip."""
        self.add_value(torch.tensor(result.distance))


class SyncOffsetAccuracy(ClipMean):
    """Share of clips whose picked offset is within `tolerance_frames` of the true one.

    Range: 0 to 1, higher is better. Source: Chung and Zisserman 2016.

    Chance is (2 tolerance_frames + 1) / candidates: with 31 candidates
    1/31 for the exact offset (tolerance 0) and 3/31 within one frame (tolerance 1).
    """

    higher_is_better = True

    def __init__(self, *, tolerance_frames: int) -> None:
        super().__init__()
        self.tolerance_frames = tolerance_frames

    def update(self, result: SyncResult, *, true_offset_frames: int = 0) -> None:
        """Adds one clip, whose sound is late by `true_offset_frames`."""
        is_hit = abs(result.offset_frames - true_offset_frames) <= self.tolerance_frames
        self.add_value(torch.tensor(float(is_hit)))

    def chance(self, result: SyncResult) -> float:
        """How often a blind pick of this clip's candidates would count as right."""
        return min(1.0, (2 * self.tolerance_frames + 1) / result.num_candidates)
