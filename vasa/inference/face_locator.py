"""The face of a source picture as the square crop that stage 1 knows, or a clear refusal.

Crops are as in the face shards. Shapes: c h w a picture, s the crop's side.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from vasa.pretrained.squares import Squares
from vasa.types import InputError


@dataclass(frozen=True, kw_only=True)
class LocatedFace:
    """A face cut out of its picture, and where it was.

    Attributes:
        crop: RGB in [0, 1], `3 s s`.
        square: of the picture that the crop shows, a batch of one.
    """

    crop: Tensor
    square: Squares


class FaceLocator(Protocol):
    """Finds the face."""

    def __call__(self, image: Tensor, *, size: int) -> LocatedFace:
        """RGB picture `3 h w` in [0, 1] to the face's crop of a side.

        Raises:
            InputError: there is no face.
        """
        ...


class ExpertLocator:
    """Takes the middle square of the picture for the crop, if a trained expert sees a face in it.

    For pictures that are face crops already, such as those of the synthetic set.

    Args:
        expert: a trained `FaceExpert`; its presence logit decides.
    """

    def __init__(self, *, expert: Any) -> None:
        self.expert = expert

    @torch.inference_mode()
    def __call__(self, image: Tensor, *, size: int) -> LocatedFace:
        """See `FaceLocator`."""
        side = min(image.shape[-2:])
        top, left = ((length - side) // 2 for length in image.shape[-2:])
        square = image[None, :, top : top + side, left : left + side]
        presence = float(self.expert(square).presence)
        if presence <= 0:
            raise InputError(
                f"expected a face in the image, the expert sees none (presence {presence:.1f}, "
                "a face is above 0); give a picture that is filled by one face"
            )
        return LocatedFace(
            crop=resized(square, size=size)[0],
            square=Squares(
                centre=torch.tensor([[left + side / 2, top + side / 2]]),
                side=torch.tensor([float(side)]),
                roll=torch.zeros(1),
            ),
        )


def resized(image: Tensor, *, size: int) -> Tensor:
    """Square pictures `b c h h` at another size, `b c s s`."""
    if image.shape[-1] == size:
        return image
    scaled = F.interpolate(image, size=(size, size), mode="bilinear", antialias=True)
    return scaled.clamp(0, 1)
