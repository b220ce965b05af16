"""What a stretch of a clip says of gaze, distance and emotion as a whole (VASA-1 sec. 3.2).

Unspecified in the paper: the histogram's bins. Shapes: t frames.
"""

import numpy as np

GAZE_BIN_RAD = 0.1


def main_gaze(gaze: np.ndarray) -> np.ndarray:
    """g: the mean of the fullest cell of the histogram of gaze, with its eight neighbours.

    Args:
        gaze: theta, phi in rad, `t 2`; t at least 1.

    Returns:
        theta, phi, `2`.
    """
    cells = np.round(gaze / GAZE_BIN_RAD).astype(np.int64)
    kinds, counts = np.unique(cells, axis=0, return_counts=True)
    fullest = kinds[np.argmax(counts)]
    near = (np.abs(cells - fullest) <= 1).all(axis=1)
    return gaze[near].mean(axis=0).astype(np.float32)


def head_distance(pose: np.ndarray) -> np.ndarray:
    """d: distance over the distance at scale 1, exp(-log_scale), its mean over frames.

    Args:
        pose: yaw, pitch, roll, tx, ty, log_scale, `t 6`.

    Returns:
        `1`.
    """
    return np.exp(-pose[:, 5]).mean(keepdims=True).astype(np.float32)


def mean_emotion(emotion: np.ndarray) -> np.ndarray:
    """e: mean weights of the eight emotions, of `t 8`, `8`."""
    return emotion.mean(axis=0).astype(np.float32)
