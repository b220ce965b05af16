"""Does the sound fit the lips, and by how many frames is it early or late?

Sound that is off by some frames is what keeps lip-sync models from converging (LatentSync's authors
shift every clip to offset 0 and drop those of confidence under 3 by the published SyncNet).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.drops import Dropped, Reason
from data_prep.settings import SyncSettings
from vasa.models.checkpoint import load_model, model_hash
from vasa.models.sync_score import SyncResult, score_clip
from vasa.models.syncnet import WINDOW_FRAMES, SyncNet
from vasa.types import InputError

_LEAST_FRAMES = WINDOW_FRAMES + 3


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
        settings: the network's run folder and the rule.

    Raises:
        InputError: the folder holds no SyncNet.
    """

    def __init__(self, settings: SyncSettings) -> None:
        self.settings = settings
        self._net: SyncNet | None = None
        self._hash = ""
        if settings.model is not None:
            net = load_model(Path(settings.model))
            if not isinstance(net, SyncNet):
                raise InputError(
                    f"expected the run of a SyncNet at sync.model={settings.model}, got one of "
                    f"{type(net).__name__}; train it with `vasa train experiment=syncnet/tiny`"
                )
            self._net = net.eval().requires_grad_(False)
            self._hash = model_hash(Path(settings.model))

    def describe(self) -> str | None:
        """The network, named by its weights' hash; None where there is none."""
        return f"own:{self._hash[:8]}" if self._net is not None else None

    def place(self, frames: np.ndarray, audio: np.ndarray) -> Placement:
        """Where the sound of a clip belongs.

        Args:
            frames: crops, uint8 `t h w 3`.
            audio: samples at 16 kHz, `640 t`.

        Raises:
            Dropped: by the rule.
        """
        if self._net is None or len(frames) < _LEAST_FRAMES:
            return Placement(result=None, shift_frames=0)
        result = score_clip(self._net, frames=frames, audio=audio)
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
