"""The steady crop: one square for a whole clip, sized by the head."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from data_prep.track import cut_region, in_chunks, to_images
from vasa.pretrained.head_pose import fit_head
from vasa.pretrained.squares import Squares, crop_squares

FACE_MARGIN = 1.06
"""Room around the landmarks that the crop must hold, over their extent."""
MAX_SHIFT = 0.08
"""How far, in sides, a crop may leave the head's centre to stay inside of the picture."""


@dataclass(frozen=True, kw_only=True)
class SteadyCrop:
    """A square in the source's pixels, the same for every frame.

    Attributes:
        centre: x, y.
        side: pixels.
        growth: side over what the head's size alone asks for, at least 1.
        outside: share of the square outside of the picture.
    """

    centre: tuple[float, float]
    side: float
    growth: float
    outside: float


def steady_crop(landmarks: np.ndarray, *, height: int, width: int) -> SteadyCrop:
    """The crop of a span: head scale 1 at its median size, grown to hold the face throughout.

    The square is centred on the median of the head's origin (between the ears, at the height of
    the nose bridge), so that crown and chin are about as far from its edges; it is shifted a little
    where that keeps it inside of the picture, and grown and shifted as little as holds the
    landmarks of all frames.

    Args:
        landmarks: pixels of the source, `t 478 3`, finite.
        height: of the source.
        width: of the source.
    """
    fit = fit_head(torch.from_numpy(landmarks).float())
    nominal = 2 * float(fit.scale.median())
    origin = fit.translation[:, :2].median(dim=0).values.numpy()
    low = landmarks[..., :2].min(axis=(0, 1))
    high = landmarks[..., :2].max(axis=(0, 1))
    middle, extent = (low + high) / 2, (high - low) * FACE_MARGIN
    side = max(nominal, float(extent.max()))
    inner = np.sort(np.array([[side / 2] * 2, [width - side / 2, height - side / 2]]), axis=0)
    shift = np.clip(np.clip(origin, *inner) - origin, -MAX_SHIFT * side, MAX_SHIFT * side)
    slack = (side - extent) / 2
    centre = np.clip(origin + shift, middle - slack, middle + slack)
    corners = np.stack((centre - side / 2, centre + side / 2))
    inside = np.clip(corners, 0, [width, height])
    share = float(np.prod((inside[1] - inside[0]).clip(0)) / side**2)
    return SteadyCrop(
        centre=(float(centre[0]), float(centre[1])),
        side=side,
        growth=side / nominal,
        outside=1 - share,
    )


def crop_frames(
    frames: Iterator[np.ndarray], crop: SteadyCrop, *, start: int, stop: int, size: int, chunk: int
) -> np.ndarray:
    """The crop of frames start to stop, uint8 `t size size 3`; outside of the picture, its edge."""
    square = Squares(
        centre=torch.tensor([crop.centre]), side=torch.tensor([crop.side]), roll=torch.zeros(1)
    )
    crops = []
    for stack in in_chunks(islice(frames, start, stop), num=chunk):
        part, moved = cut_region(stack, square)
        squares = moved[torch.zeros(len(stack), dtype=torch.long)]
        found = crop_squares(to_images(part), squares, size=size, padding="border", supersample=2)
        crops.append((found * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy())
    return np.ascontiguousarray(np.concatenate(crops))
