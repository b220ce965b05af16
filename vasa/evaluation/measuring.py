"""Reading faces off pictures in batches, with the measuring expert that the results name."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from vasa.pretrained.lpips import Lpips
from vasa.pretrained.perceptual import PerceptualNetwork
from vasa.types import FaceMeasurements

Instrument = Callable[[Tensor], FaceMeasurements]
"""`image b 3 h w` in [0, 1] to measurements: FaceExpert, or FaceMeasure on real faces."""

ReadVideo = Callable[[Tensor], FaceMeasurements]
"""Frames of a video, uint8 `t c h w`, to what is measured in them."""

REMEASURED = "re-measured from the generated frames"
"""What a row's note says where nothing comes from the generator."""


@dataclass(frozen=True, kw_only=True)
class PerceptualScale:
    """A frozen network for perceptual distances; feature maps are handed over on the CPU.

    Attributes:
        name: as the configuration calls it.
        network: gives feature maps.
        device: where it computes.
        is_in_loss: whether stage 1 was trained to look right through this very network.
    """

    name: str
    network: PerceptualNetwork
    device: torch.device
    is_in_loss: bool

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Feature maps `b c h w` of pictures `b 3 h w` in [0, 1]."""
        return [tap.float().cpu() for tap in self.network(images.to(self.device))]


@dataclass(frozen=True, kw_only=True)
class LpipsScale:
    """LPIPS; distances are handed over on the CPU.

    Attributes:
        name: as the configuration calls it.
        network: LPIPS by one of its networks.
        device: where it computes.
    """

    name: str
    network: Lpips
    device: torch.device

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """LPIPS of pictures `b 3 h w` in [0, 1] to others, `b`."""
        return self.network(first.to(self.device), second.to(self.device)).cpu()


def measure(instrument: Instrument, images: Tensor, *, batch_size: int) -> FaceMeasurements:
    """Measurements of every picture of `t c h w`."""
    parts = [instrument(batch) for batch in images.split(batch_size)]
    joined = {}
    for item in fields(FaceMeasurements):
        values = [getattr(part, item.name) for part in parts]
        joined[item.name] = None if values[0] is None else torch.cat(values)
    return FaceMeasurements(**joined)


def in_batches(function: Callable[[Tensor], Tensor], rows: Tensor, *, batch_size: int) -> Tensor:
    """`function` over the rows of a tensor, a batch at a time."""
    return torch.cat([function(batch) for batch in rows.split(batch_size)])
