"""LPIPS of videos frame by frame: see `vasa.pretrained.lpips` for the distance itself."""

from collections.abc import Callable

import torch
from torch import Tensor

from vasa.evaluation.metrics.clip_metric import ClipMean


class LpipsDistance(ClipMean):
    """LPIPS, mean over frames, then clips.

    Range: 0 up, lower is better. Source: Zhang et al. 2018, v0.1.

    Args:
        distance: of pictures `t 3 h w` in [0, 1] to others, `t`.
        batch_size: frames at once.
    """

    higher_is_better = False

    def __init__(self, *, distance: Callable[[Tensor, Tensor], Tensor], batch_size: int) -> None:
        super().__init__()
        self.distance = distance
        self.batch_size = batch_size

    def update(self, result: Tensor, target: Tensor) -> None:
        """Adds one clip: `t c h w` twice."""
        pairs = zip(result.split(self.batch_size), target.split(self.batch_size), strict=True)
        self.add_frames(torch.cat([self.distance(one, other) for one, other in pairs]))
