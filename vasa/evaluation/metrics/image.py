"""Picture fidelity: PSNR, PSNR of the mouth region, SSIM."""

import torch
from einops import reduce, repeat
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from vasa.evaluation.metrics.clip_metric import ClipMean

# Two equal 8-bit pictures have no finite PSNR; 60 dB is already far below one grey level.
PSNR_CEILING_DB = 60.0
MOUTH_LANDMARKS = slice(48, 68)


def frame_psnr(result: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """PSNR of each frame: -10 log10(MSE) for pictures in [0, 1], at most 60 dB.

    Args:
        result: `t c h w`.
        target: `t c h w`.
        mask: pixels that count, `t h w` bool; None = all.

    Returns:
        `t` dB; NaN where the mask of a frame is empty.
    """
    error = reduce((result - target) ** 2, "t c h w -> t h w", "mean")
    if mask is None:
        mse = error.mean(dim=(-2, -1))
    else:
        mse = (error * mask).sum(dim=(-2, -1)) / mask.sum(dim=(-2, -1))
    return -10 * torch.log10(mse.clamp(min=10 ** (-PSNR_CEILING_DB / 10)))


def mouth_mask(landmarks: Tensor, *, height: int, width: int, margin: float) -> Tensor:
    """Box around the lips of each frame (iBUG-68 points 48 to 67).

    Args:
        landmarks: pixels, edge coordinates (x right, y down), `t 68 2`.
        height: of the picture, px.
        width: of the picture, px.
        margin: added on every side, as a share of the lips' width.

    Returns:
        `t h w` bool.
    """
    lips = landmarks[:, MOUTH_LANDMARKS]
    low, high = lips.amin(dim=1), lips.amax(dim=1)
    pad = margin * (high[:, :1] - low[:, :1])
    low, high = low - pad, high + pad
    x = torch.arange(width, dtype=lips.dtype) + 0.5
    y = torch.arange(height, dtype=lips.dtype) + 0.5
    inside_x = (x > low[:, :1]) & (x < high[:, :1])
    inside_y = (y > low[:, 1:]) & (y < high[:, 1:])
    num_frames = len(landmarks)
    return repeat(inside_y, "t h -> t h w", w=width) & repeat(
        inside_x, "t w -> t h w", t=num_frames, h=height
    )


class Psnr(ClipMean):
    """Peak signal-to-noise ratio of pictures in [0, 1], dB: mean over frames, then clips.

    The mean is of frames' PSNRs, not the PSNR of their mean error. Range: 0 to 60 (`frame_psnr`'s
    ceiling), higher is better. Source: MegaPortraits sec. 4.
    """

    higher_is_better = True

    def update(self, result: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Adds one clip: `t c h w` twice, and the pixels that count (`t h w`) or all.

        A frame whose mask is empty is left out, and so is a clip of such frames.
        """
        if mask is not None:
            is_seen = mask.flatten(1).any(dim=1)
            result, target, mask = result[is_seen], target[is_seen], mask[is_seen]
        self.add_frames(frame_psnr(result, target, mask))


class Ssim(ClipMean):
    """Structural similarity, Gaussian window 11, sigma 1.5: mean over frames, then clips.

    Range: -1 to 1, higher is better. Source: Wang et al. 2004, by torchmetrics.
    """

    higher_is_better = True

    def update(self, result: Tensor, target: Tensor) -> None:
        """Adds one clip: `t c h w` twice."""
        value = structural_similarity_index_measure(result, target, data_range=1.0)
        assert isinstance(value, Tensor), "torchmetrics gives a pair only on request"
        self.add_value(value)
