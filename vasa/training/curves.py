"""A picture of motion over time, for looking at while training."""

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

ROWS, ROW_HEIGHT, PIXELS_A_FRAME = 12, 40, 8


def draw_curves(truth: Tensor, prediction: Tensor) -> Tensor:
    """Truth (grey) and prediction (red) of the first dimensions, a row each.

    Args:
        truth: standardised motion, `t m`.
        prediction: likewise.

    Returns:
        Picture `3 h w` in [0, 1].
    """
    num_frames, num_motion = truth.shape
    rows = min(ROWS, num_motion)
    size = (max(2, num_frames) * PIXELS_A_FRAME, rows * ROW_HEIGHT)
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    for row in range(rows):
        middle = (row + 0.5) * ROW_HEIGHT
        draw.line([(0, middle), (size[0], middle)], fill=(230, 230, 230))
        for values, colour in ((truth, (120, 120, 120)), (prediction, (200, 30, 30))):
            heights = values[:, row].clamp(-3, 3).cpu().numpy() * (ROW_HEIGHT / 6)
            points = [(i * PIXELS_A_FRAME, middle - float(y)) for i, y in enumerate(heights)]
            if len(points) > 1:
                draw.line(points, fill=colour, width=2)
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 255
