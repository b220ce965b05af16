"""Which clips are in sync, by what preparation measured (`vasa prep sync.model=...`)."""

import sys
from dataclasses import dataclass

import pandas as pd
from lightning.pytorch.utilities import rank_zero_only

from vasa.types import InputError

OFFSET, CONFIDENCE = "sync_offset_frames", "sync_confidence"


@dataclass(frozen=True, kw_only=True)
class SyncFilter:
    """Keeps clips whose sound fits the lips; a limit of None asks nothing.

    Attributes:
        max_abs_offset: largest offset of the sound either way, frames.
        min_confidence: least S_C, on the scale of the SyncNet that the set was prepared with.
    """

    max_abs_offset: int | None
    min_confidence: float | None

    def __call__(self, table: pd.DataFrame, *, what: str) -> pd.DataFrame:
        """The rows of an index that are kept; how many are not is told on stderr.

        Args:
            table: rows of the index, with `sync_offset_frames` and `sync_confidence`.
            what: the set and split, for messages.

        Raises:
            InputError: the set was prepared without a SyncNet, or no clip is left.
        """
        if self.max_abs_offset is None and self.min_confidence is None:
            return table
        if missing := [name for name in (OFFSET, CONFIDENCE) if name not in table]:
            raise InputError(
                f"expected {' and '.join(missing)} in the index of {what}, which data."
                "max_abs_offset and data.min_confidence ask for; prepare the set with "
                "sync.model=RUN or sync.model=official, or set both to null"
            )
        is_measured = table[OFFSET].notna() & table[CONFIDENCE].notna()
        is_off = is_unsure = pd.Series(False, index=table.index)
        if self.max_abs_offset is not None:
            is_off = is_measured & (table[OFFSET].abs() > self.max_abs_offset)
        if self.min_confidence is not None:
            is_unsure = is_measured & ~is_off & (table[CONFIDENCE] < self.min_confidence)
        kept = pd.DataFrame(table[is_measured & ~is_off & ~is_unsure])
        told = (
            f"{len(table) - len(kept)} of {len(table)} clips of {what} left out by sync: "
            f"{int(is_off.sum())} beyond ±{self.max_abs_offset} frames, "
            f"{int(is_unsure.sum())} under S_C {self.min_confidence}, "
            f"{int((~is_measured).sum())} not measured"
        )
        if kept.empty:
            median = table[CONFIDENCE].median()
            raise InputError(
                f"expected clips in sync, got none: {told}; their median S_C is {median:.3g}, on "
                "the scale of the SyncNet that prepared them: set data.min_confidence by it"
            )
        if not getattr(rank_zero_only, "rank", 0):
            print(f"vasa: {told}", file=sys.stderr)
        return kept
