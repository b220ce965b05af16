"""Rolled square crops: the one crop geometry of all face experts.

A square has a centre (x, y) and a side in pixels of the picture (edge coordinates: the centre
of pixel i is i + 0.5) and a roll (rad, clockwise in the picture). Crop coordinates (u, v) in
[0, 1] map to the picture by

    (x, y) = centre + side * Rot(roll) (u - 1/2, v - 1/2)
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Squares:
    """A batch of squares.

    Attributes:
        centre: x, y in pixels, `b 2`.
        side: pixels, `b`.
        roll: radians, `b`.
    """

    centre: Tensor
    side: Tensor
    roll: Tensor

    def __getitem__(self, index: Tensor | slice) -> "Squares":
        return Squares(centre=self.centre[index], side=self.side[index], roll=self.roll[index])

    def __len__(self) -> int:
        return len(self.side)

    @staticmethod
    def whole(*, num: int, height: int, width: int, scale: float = 1.0) -> "Squares":
        """The square around the whole picture (side: its longer side times `scale`)."""
        return Squares(
            centre=torch.tensor([[width / 2, height / 2]]).repeat(num, 1),
            side=torch.full((num,), float(max(height, width)) * scale),
            roll=torch.zeros(num),
        )

    def moved(self, shift: Tensor) -> "Squares":
        """The same squares with their centres shifted by (x, y) pixels."""
        return Squares(centre=self.centre + shift, side=self.side, roll=self.roll)

    def matrices(self) -> Tensor:
        """side * Rot(roll), `b 2 2`."""
        cos, sin = self.roll.cos() * self.side, self.roll.sin() * self.side
        return torch.stack((torch.stack((cos, -sin), -1), torch.stack((sin, cos), -1)), -2)

    def to_picture(self, points: Tensor) -> Tensor:
        """Points of the crops (units of the side) in pixels of the picture.

        Args:
            points: `b n 2`, or `b n 3` with a depth in the same unit.

        Returns:
            The same shape, in pixels; depth is scaled along and is not rotated.
        """
        flat = (points[..., :2] - 0.5) @ self.matrices().mT + self.centre[:, None]
        depth = points[..., 2:] * self.side[:, None, None]
        return torch.cat((flat, depth), dim=-1)

    def from_picture(self, points: Tensor) -> Tensor:
        """The inverse of `to_picture`."""
        inverse = torch.linalg.inv(self.matrices())
        flat = (points[..., :2] - self.centre[:, None]) @ inverse.mT + 0.5
        return torch.cat((flat, points[..., 2:] / self.side[:, None, None]), dim=-1)


def crop_squares(
    images: Tensor,
    squares: Squares,
    *,
    size: int,
    padding: str = "zeros",
    supersample: int = 1,
) -> Tensor:
    """Squares of pictures, resampled; differentiable with respect to the pictures.

    Where squares are much larger than the result, the pictures are averaged over k x k blocks
    first, so that detail is not folded into false patterns and large pictures cost little.

    Args:
        images: `b c h w` float, a picture for every square; read in float32 at least.
        squares: `b` squares.
        size: pixels of the result's side.
        padding: what lies outside of a picture: "zeros" or "border".
        supersample: samples along a pixel of the result, averaged: 1 for networks' inputs, 2 for
            pictures that are kept.

    Returns:
        Crops, `b c size size`.
    """
    fine = size * supersample
    block = max(1, int(float(squares.side.min()) / fine / 1.5))
    height, width = images.shape[-2:]
    if block > 1:
        filled = F.pad(images, (0, -width % block, 0, -height % block), mode="replicate")
        images = F.avg_pool2d(filled, block)
        height, width = filled.shape[-2:]
    images = images.to(torch.promote_types(images.dtype, torch.float32))
    scale = torch.tensor([width / 2, height / 2])
    with torch.autocast(images.device.type, enabled=False):  # places are no matter for bfloat16
        turn = squares.matrices().cpu() / 2 / scale[:, None]
        shift = squares.centre.cpu() / scale - 1
        theta = torch.cat((turn, shift[..., None]), dim=-1).to(images)
        size_of_grid = [len(squares), images.shape[1], fine, fine]
        grid = F.affine_grid(theta, size_of_grid, align_corners=False)
    crops = F.grid_sample(images, grid, mode="bilinear", padding_mode=padding, align_corners=False)
    return F.avg_pool2d(crops, supersample) if supersample > 1 else crops
