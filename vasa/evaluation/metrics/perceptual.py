"""Perceptual distance of pictures through a frozen network; never called LPIPS.

LPIPS is this distance with weights that were fitted to people's judgements (Zhang et al. 2018);
without them only numbers of the same network compare.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from vasa.evaluation.metrics.clip_metric import ClipMean

MIN_NORM = 1e-10


def frame_distance(first: list[Tensor], second: list[Tensor]) -> Tensor:
    """Squared difference of channel-normalised features, mean over places, then taps.

        d = mean_l mean_hw sum_c (x_l / |x_l| - y_l / |y_l|)^2

    Args:
        first: a network's feature maps x_l of one picture each, `t c h w`.
        second: y_l, the same network's of the others.

    Returns:
        `t`, range 0 to 4 (0 to 2 where features are never negative).
    """
    taps = []
    for x, y in zip(first, second, strict=True):
        x = x / x.norm(dim=1, keepdim=True).clamp_min(MIN_NORM)
        y = y / y.norm(dim=1, keepdim=True).clamp_min(MIN_NORM)
        taps.append((x - y).square().sum(dim=1).mean(dim=(1, 2)))
    return torch.stack(taps).mean(dim=0)


class PerceptualDistance(ClipMean):
    """`frame_distance`, mean over frames, then clips.

    Reacts strongly to noise, so it is no judge of one picture alone. Range: 0 to 4, lower is
    better. Source: LPIPS (Zhang et al. 2018) without its fitted weights.

    Args:
        features: a frozen network, `t 3 h w` in [0, 1] to its feature maps.
        batch_size: frames at once.
    """

    higher_is_better = False

    def __init__(self, *, features: Callable[[Tensor], list[Tensor]], batch_size: int) -> None:
        super().__init__()
        self.features = features
        self.batch_size = batch_size

    def update(self, result: Tensor, target: Tensor) -> None:
        """Adds one clip: `t c h w` twice."""
        distances = [
            frame_distance(self.features(one), self.features(other))
            for one, other in zip(
                result.split(self.batch_size), target.split(self.batch_size), strict=True
            )
        ]
        self.add_frames(torch.cat(distances))
