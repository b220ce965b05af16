"""A generated face crop put back into the photo that it was cut out of.

The inverse of `vasa.pretrained.squares.crop_squares`. Shapes: h w the photo, r q the part of it
that changes, s the crop's side, k samples along a pixel.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vasa.pretrained.squares import Squares
from vasa.types import InputError

FEATHER = 0.12
"""Width of the seam between crop and photo, over the crop's side; hair and neck lie there, and the
head has about this much room to move in before it meets the seam."""


class PasteBack:
    """Puts frames of one face back into its photo.

    Pixels outside of the square stay as they are, to the bit. Towards the square's edges the crop
    fades into the photo, but not towards an edge that lies outside of the photo: there is nothing
    to fade into. Where the crop is finer than the photo, its pixels are averaged.

    Args:
        photo: RGB in [0, 1], `3 h w`; an odd last row or column is left out, as H.264 asks for.
        square: of the photo that the crops show, a batch of one.
        size: s, pixels of the crops' side.
        feather: width of the seam over the square's side, above 0 and at most 0.5.

    Raises:
        InputError: the photo is too small for a video.
    """

    def __init__(
        self, photo: Tensor, square: Squares, *, size: int, feather: float = FEATHER
    ) -> None:
        if not 0 < feather <= 0.5:
            raise ValueError(f"expected a feather above 0 and at most 0.5, got {feather}")
        height, width = (length // 2 * 2 for length in photo.shape[-2:])
        if min(height, width) == 0:
            raise InputError(f"expected a photo of 2 x 2 pixels or more, got {tuple(photo.shape)}")
        whole = (photo[:, :height, :width] * 255).round().clamp(0, 255).byte()
        self.photo = whole.permute(1, 2, 0).contiguous().numpy()
        self._rows, self._columns = _covered(square, height=height, width=width)
        self._under = photo[:, self._rows, self._columns]
        self._samples = max(1, math.ceil(size / float(square.side[0])))
        fine = _places(square, self._rows, self._columns, samples=self._samples)
        self._grid = (2 * fine - 1)[None]
        edges = _edges_inside(square, height=height, width=width)
        weights = _weights(fine, edges, feather=feather)[None, None]
        self._mask = F.avg_pool2d(weights, self._samples)[0, 0]

    @torch.inference_mode()
    def __call__(self, frame: Tensor) -> np.ndarray:
        """The whole photo with the face of one frame; a photo may be large, so not of many.

        Args:
            frame: uint8 `3 s s`.

        Returns:
            uint8 `h w 3`, h and w even.
        """
        crop = F.grid_sample(
            frame[None].float() / 255,
            self._grid,
            mode="bicubic" if self._samples == 1 else "bilinear",
            padding_mode="border",
            align_corners=False,
        )
        crop = F.avg_pool2d(crop, self._samples)[0].clamp(0, 1)
        mixed = self._mask * crop + (1 - self._mask) * self._under
        photo = self.photo.copy()
        photo[self._rows, self._columns] = (mixed * 255).round().byte().permute(1, 2, 0).numpy()
        return photo


def _covered(square: Squares, *, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of the photo that a square touches."""
    corners = square.to_picture(torch.tensor([[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]]))[0]
    left, top = (int(value) for value in corners.amin(dim=0).floor())
    right, bottom = (int(value) for value in corners.amax(dim=0).ceil())
    return slice(max(0, top), min(height, bottom)), slice(max(0, left), min(width, right))


def _places(square: Squares, rows: slice, columns: slice, *, samples: int) -> Tensor:
    """Where k x k samples of each pixel lie in the square, u and v in [0, 1], `rk qk 2`."""
    offsets = (torch.arange(samples) + 0.5) / samples
    y, x = (
        (torch.arange(part.start, part.stop)[:, None] + offsets).flatten()
        for part in (rows, columns)
    )
    points = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    return square.from_picture(points.reshape(1, -1, 2)).reshape(len(y), len(x), 2)


def _edges_inside(square: Squares, *, height: int, width: int) -> Tensor:
    """Which of the square's edges (left, right, top, bottom) have their middle in the photo."""
    middles = torch.tensor([[[0.0, 0.5], [1.0, 0.5], [0.5, 0.0], [0.5, 1.0]]])
    points = square.to_picture(middles)[0]
    return ((points > 0) & (points < torch.tensor([width, height]))).all(dim=-1)


def _weights(places: Tensor, edges: Tensor, *, feather: float) -> Tensor:
    """Share of the crop: 0 at an edge (and beyond all of them), 1 from `feather` inwards, smooth.

    Args:
        places: u, v, `... 2`.
        edges: which of left, right, top and bottom count, `4`.
        feather: over the square's side.
    """
    u, v = places.unbind(-1)
    depth = torch.stack((u, 1 - u, v, 1 - v), dim=-1)
    ramp = (depth / feather).clamp(0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    shares = torch.where(edges, ramp, (depth >= 0).float())
    return shares.prod(dim=-1)
