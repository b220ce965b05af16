"""What is shown of a network beside pictures: histograms of its codes, clips with their sound."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

NUM_BINS = 64


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Values of a code, counted.

    Attributes:
        counts: in each bin, `n`.
        edges: of the bins, rising, `n + 1`.
        mean: of the finite values.
        std: likewise.
        num_nonfinite: values left out.
    """

    counts: list[int]
    edges: list[float]
    mean: float
    std: float
    num_nonfinite: int


@dataclass(frozen=True, kw_only=True)
class SampleClip:
    """A short clip at 25 fps.

    Attributes:
        frames: `t 3 h w` in [0, 1], h and w even.
        audio: `n` at 16 kHz in [-1, 1]; None for a silent one.
    """

    frames: Tensor
    audio: Tensor | None = None


def histogram_of(values: Tensor) -> Histogram:
    """All values of a code, from the least to the greatest.

    Args:
        values: of any shape.
    """
    flat = values.detach().double().cpu().numpy().ravel()
    finite = flat[np.isfinite(flat)]
    counts, edges = np.histogram(finite, bins=NUM_BINS)
    return Histogram(
        counts=counts.tolist(),
        edges=edges.tolist(),
        mean=float(finite.mean()) if len(finite) else 0.0,
        std=float(finite.std()) if len(finite) else 0.0,
        num_nonfinite=len(flat) - len(finite),
    )
