"""Features of frames that Fréchet distances compare, and the name of who gives them.

With features of a face expert or of EfficientNet-lite0 the distance is FD-frames of that network;
FID is of InceptionV3's alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vasa.evaluation.measuring import Instrument
from vasa.pretrained.efficientnet import EfficientNetFeatures
from vasa.pretrained.inception import InceptionFeatures


@dataclass(frozen=True, kw_only=True)
class FrameFeatures:
    """Who describes frames.

    Attributes:
        name: as the results call it.
        of: pictures `b 3 h w` in [0, 1] to features `b f`, on the CPU.
        unit: of a Fréchet distance of these features.
        judge: `name:<hash>` where the weights are not those of the measuring expert.
    """

    name: str
    of: Callable[[Tensor], Tensor]
    unit: str
    judge: str | None = None


def frame_features(instrument: Instrument, *, device: torch.device) -> FrameFeatures:
    """Means over places of the measuring expert's feature maps; else those of EfficientNet-lite0.

    An expert without feature maps (that of real faces) has an identity embedding alone, which
    hardly sees blur.

    Raises:
        InputError: the expert has no feature maps and EfficientNet-lite0's file is missing.
    """
    net: Any = getattr(instrument, "net", instrument)
    if hasattr(net, "features"):

        def pooled(images: Tensor) -> Tensor:
            maps = [tap.float().cpu() for tap in net.features(images.to(device))]
            return torch.cat([tap.mean(dim=(2, 3)) for tap in maps], dim=1)

        return FrameFeatures(name=type(net).__name__, of=pooled, unit="FD(own features)")
    network = EfficientNetFeatures()
    return FrameFeatures(
        name="effnet-lite0",
        of=lambda images: network(images.to(device)).cpu(),
        unit="FD(effnet-lite0)",
        judge=f"effnet-lite0:{network.describe()['sha256'][:8]}",
    )


def inception_features(*, device: torch.device) -> FrameFeatures:
    """Those of FID.

    Raises:
        InputError: InceptionV3's file is missing or another one.
    """
    network = InceptionFeatures()
    return FrameFeatures(
        name="InceptionV3",
        of=lambda images: network(images.to(device)).cpu(),
        unit="FID",
        judge=f"inception:{network.describe()['sha256'][:8]}",
    )
