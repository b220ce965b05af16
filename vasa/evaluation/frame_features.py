"""Features of frames that Fréchet distances compare, and the name of who gives them.

With features of a face expert the distance is FD-frames of that expert, never FID.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vasa.evaluation.measuring import Instrument, PerceptualScale

FeatureMaps = Callable[[Tensor], list[Tensor]]


@dataclass(frozen=True, kw_only=True)
class FrameFeatures:
    """Who describes frames.

    Attributes:
        name: as the results call it.
        of: pictures `b 3 h w` in [0, 1] to features `b f`.
    """

    name: str
    of: Callable[[Tensor], Tensor]


def frame_features(
    instrument: Instrument, *, perceptual: PerceptualScale | None, device: torch.device
) -> FrameFeatures:
    """Means over places of the measuring expert's feature maps.

    An expert without feature maps leaves it to the perceptual network, where there is one, and else
    to its own identity embedding, which hardly sees blur.
    """
    net: Any = getattr(instrument, "net", instrument)
    if hasattr(net, "features"):

        def maps(images: Tensor) -> list[Tensor]:
            return [tap.float().cpu() for tap in net.features(images.to(device))]

        return FrameFeatures(name=type(net).__name__, of=_pooled(maps))
    if perceptual is not None:
        return FrameFeatures(name=perceptual.name, of=_pooled(perceptual))
    return FrameFeatures(
        name=f"identity of {type(net).__name__}", of=lambda images: instrument(images).identity
    )


def _pooled(maps: FeatureMaps) -> Callable[[Tensor], Tensor]:
    def pooled(images: Tensor) -> Tensor:
        return torch.cat([tap.mean(dim=(2, 3)) for tap in maps(images)], dim=1)

    return pooled
