"""Clips of a set one at a time: long lists of large pictures fit no memory."""

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from vasa.data.audio import decode_flac
from vasa.data.remote import ShardRoot, open_shards
from vasa.data.schema import FPS, SAMPLES_PER_FRAME
from vasa.data.shard_members import read_members
from vasa.data.shards import parse_clip, read_labels
from vasa.evaluation.clips import EvaluationClip, to_evaluation_clip
from vasa.types import InputError

MIN_VALID = 2


class ClipReader:
    """Clips by their place in a table; the last one that was decoded is kept.

    Args:
        root: of the set.
        rows: of its index, in order.
        max_seconds: of each clip.
        image_size_px: side that pictures are scaled to.
        is_exact: whether a clip with under two valid frames is an error rather than left out.

    Raises:
        InputError: no usable clip, or an unusable one in an exact list.
    """

    def __init__(
        self,
        root: str | Path | ShardRoot,
        rows: pd.DataFrame,
        *,
        max_seconds: float,
        image_size_px: int,
        is_exact: bool = False,
    ) -> None:
        self.root = open_shards(root)
        self.max_frames = round(max_seconds * FPS)
        self.image_size = image_size_px
        found: list[Any] = list(rows.itertuples())
        self.rows = [row for row in found if self._is_usable(row)]
        if is_exact and len(self.rows) < len(found):
            bad = next(row for row in found if row not in self.rows)
            raise InputError(
                f"expected clips with at least {MIN_VALID} usable frames in the list, {bad.key} "
                "has fewer; take it out of the list"
            )
        if not self.rows:
            raise InputError(f"expected usable clips in {self.root}, found none")
        self._last: tuple[int, EvaluationClip] | None = None

    def _is_usable(self, row: Any) -> bool:
        valid = read_labels(read_members(self.root, row)["npz"]).valid
        return int(valid[: self.max_frames].sum()) >= MIN_VALID

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def keys(self) -> list[str]:
        """Of all clips."""
        return [str(row.key) for row in self.rows]

    @property
    def speakers(self) -> dict[str, str]:
        """Who is in each, by key."""
        return {str(row.key): str(row.speaker) for row in self.rows}

    @property
    def sentence_ids(self) -> list[int]:
        """What is said in each, -1 where it is not known."""
        return [int(getattr(row, "sentence_id", -1)) for row in self.rows]

    def clip(self, index: int) -> EvaluationClip:
        """A clip, decoded."""
        if self._last is None or self._last[0] != index:
            clip = to_evaluation_clip(
                parse_clip(read_members(self.root, self.rows[index])),
                max_frames=self.max_frames,
                image_size_px=self.image_size,
            )
            self._last = (index, clip)
        return self._last[1]

    def audio(self, index: int) -> Tensor:
        """A clip's sound alone, `n`."""
        stop = self.max_frames * SAMPLES_PER_FRAME
        samples = decode_flac(read_members(self.root, self.rows[index])["flac"])[:stop]
        return torch.from_numpy(samples.copy())
