"""How good the pictures of a clip are, without a reference."""

import numpy as np
import torch
import torch.nn.functional as F

from data_prep.track import to_images

SHARPNESS_HALF = 0.02
"""Root of the Laplacian's variance at which sharpness is 1/2."""
BLOCK_PX = 8
_FRAMES_AT_ONCE = 32


def sharpness(frames: np.ndarray) -> np.ndarray:
    """Sharpness in [0, 1) of each frame: v / (v + 0.02), v the root of the Laplacian's variance.

    Args:
        frames: uint8 `t h w 3`, crops of one size; the measure depends on that size.
    """
    kernel = torch.tensor([[[[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]]])
    spreads = []
    for start in range(0, len(frames), _FRAMES_AT_ONCE):  # a long clip in floats is gigabytes
        grey = to_images(frames[start : start + _FRAMES_AT_ONCE]).mean(dim=1, keepdim=True)
        spreads.append(F.conv2d(grey, kernel).std(dim=(1, 2, 3)))
    spread = torch.cat(spreads)
    return (spread / (spread + SHARPNESS_HALF)).numpy()


def brightness(frames: np.ndarray) -> float:
    """Mean of the middle of steady crops `t h w 3`, where the face is, in [0, 1]."""
    middle = frames.shape[1] // 4
    return float(frames[:, middle:-middle, middle:-middle].mean()) / 255


def blockiness(picture: np.ndarray, *, left: int, top: int) -> float:
    """Steps across the borders of 8 px blocks over steps elsewhere; 1 where no blocks show.

    The ratio of Wang, Sheikh and Bovik 2002 ("No-reference perceptual quality assessment of JPEG
    compressed images", the blocking measure), mean of both directions. Only pixels of the source
    show it: a resized crop has lost the grid.

    Args:
        picture: part of a source's picture, uint8 `h w 3`, at least 16 px a side.
        left: the part's first column in that picture.
        top: its first row.
    """
    grey = picture.astype(np.float32).mean(axis=-1)
    ratios = []
    for plane, first in ((grey, left), (grey.T, top)):
        steps = np.abs(np.diff(plane, axis=1)).mean(axis=0)
        is_border = (np.arange(len(steps)) + first + 1) % BLOCK_PX == 0
        ratios.append((steps[is_border].mean() + 0.1) / (steps[~is_border].mean() + 0.1))
    return float(np.mean(ratios))
