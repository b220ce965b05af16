"""Lip closures: are the lips together where p, b and m are spoken?

What one small opening is in a picture, another person's wide one is in the next, and an expert
that reads a few pixels never says 0; so "closed" is told by the video's own wide opening. A mouth
that never moves is never closed by this measure. Shapes: t frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from vasa.evaluation.metrics.ratio import ClipRatio

LIP_CLOSURES = ("p", "b", "m", "m-")
"""Phonemes of synthetic clips that close the lips."""
WIDE = 0.9
"""The quantile of a video's openings that is its wide opening."""


@dataclass(frozen=True, kw_only=True)
class Closures:
    """How many closures a video had to make, and how many it made."""

    hits: int
    total: int


def closure_spans(phoneme: Sequence[str]) -> list[slice]:
    """The frames of each p, b and m; neighbours of one kind are one closure."""
    spans, start = [], 0
    for name, frames in groupby(phoneme):
        stop = start + len(list(frames))
        if name in LIP_CLOSURES:
            spans.append(slice(start, stop))
        start = stop
    return spans


def closures_made(
    opening: Tensor, phoneme: Sequence[str], *, share: float, tolerance_frames: int
) -> Closures:
    """Closures at which the mouth's opening falls below `share` of the video's wide opening.

    Args:
        opening: of the mouth, re-measured, `t`.
        phoneme: spoken in each frame; what comes after the video's end is left out.
        share: of the 90th percentile of `opening`.
        tolerance_frames: frames before and after the sound that count as well: lips close before
            the sound is heard, and a frame is 40 ms.
    """
    bound = share * torch.quantile(opening.double(), WIDE)
    spans = closure_spans(phoneme[: len(opening)])
    hits = sum(
        bool(
            opening[max(0, span.start - tolerance_frames) : span.stop + tolerance_frames].min()
            < bound
        )
        for span in spans
    )
    return Closures(hits=hits, total=len(spans))


class ClosureRate(ClipRatio):
    """Share of p, b and m at which the lips close, pooled over clips; see `closures_made`.

    Range: 0 to 1, higher is better. Source: this project.

    Args:
        share: of the video's own wide opening below which lips are closed.
        tolerance_frames: frames before and after the sound that count as well.
    """

    higher_is_better = True

    def __init__(self, *, share: float, tolerance_frames: int) -> None:
        super().__init__()
        self.share, self.tolerance_frames = share, tolerance_frames

    def update(self, opening: Tensor, phoneme: Sequence[str]) -> None:
        """Adds one clip: the mouth's opening `t`, and what is spoken in each frame."""
        made = closures_made(
            opening, phoneme, share=self.share, tolerance_frames=self.tolerance_frames
        )
        self.add_ratio(made.hits, made.total)
