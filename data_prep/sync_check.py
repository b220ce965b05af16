"""Does the sound fit the lips, and by how many frames is it early or late?

Sound that is off by some frames is what keeps lip-sync models from converging (LatentSync's authors
shift every clip to offset 0 and drop those of confidence under 3 by the published SyncNet).
"""

from dataclasses import dataclass

import numpy as np

from data_prep.drops import Dropped, Reason
from data_prep.settings import SyncSettings
from vasa.models.sync_score import SyncResult
from vasa.pretrained.sync_scorer import load_sync_scorer


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a clip's sound comes from.

    Attributes:
        result: what SyncNet says; None where it was not asked.
        shift_frames: frame i takes the sound of frame i + shift.
    """

    result: SyncResult | None
    shift_frames: int


class SyncCheck:
    """A SyncNet and the rule by which clips are kept, moved or dropped.

    Args:
        settings: the network (its run folder, or `official`) and the rule.

    Raises:
        InputError: the folder holds no SyncNet, or the published weights are not there.
    """

    def __init__(self, settings: SyncSettings) -> None:
        self.settings = settings
        self._scorer = None if settings.model is None else load_sync_scorer(settings.model)

    def describe(self) -> str | None:
        """The network, `own:<hash>` or `official:<hash>`; None where there is none."""
        return None if self._scorer is None else self._scorer.weights

    def place(self, frames: np.ndarray, audio: np.ndarray) -> Placement:
        """Where the sound of a clip belongs.

        Args:
            frames: crops, uint8 `t h w 3`.
            audio: samples at 16 kHz, `640 t`.

        Raises:
            Dropped: by the rule.
        """
        if self._scorer is None or len(frames) < self._scorer.min_frames:
            return Placement(result=None, shift_frames=0)
        result = self._scorer.score(frames=frames, audio=audio)
        offset, rule = result.offset_frames, self.settings
        if rule.rule == "record":
            return Placement(result=result, shift_frames=0)
        if result.confidence < rule.min_confidence:
            detail = f"S_C {result.confidence:.3f}, best at {offset:+d} frames"
            raise Dropped(Reason.UNSURE_SYNC, detail)
        if abs(offset) > rule.max_offset_frames:
            side = "late" if offset > 0 else "early"
            raise Dropped(Reason.OUT_OF_SYNC, f"the sound is {abs(offset)} frames {side}")
        return Placement(result=result, shift_frames=offset if rule.rule == "shift" else 0)
