"""LPIPS, the perceptual distance that people's judgements were fitted into (Zhang et al. 2018).

Version 0.1 of the package `lpips` (github.com/richzhang/PerceptualSimilarity): the network is
torchvision's, whose file the user brings; the linear layers are the package's, which torchmetrics
carries unchanged. Only this combination is called LPIPS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from vasa.pretrained.registry import file_sha256
from vasa.pretrained.torchvision_file import (
    IMAGENET_LICENCE,
    FeatureStack,
    TorchvisionFile,
    vgg_stack,
)
from vasa.types import InputError

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""What the networks' inputs in [-1, 1] are less, and over (the package's `ScalingLayer`)."""
MIN_NORM = 1e-10
_LINEAR_FOLDER = "functional/image/lpips_models"


def _alexnet() -> FeatureStack:
    """torchvision's AlexNet (Krizhevsky 2014) up to its fifth convolution, seen after each."""
    layers = [
        *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
    ]
    return FeatureStack(layers, taps=(1, 4, 7, 9, 11))


def _vgg16() -> FeatureStack:
    """VGG16 up to relu5_3, seen at the end of each block."""
    blocks = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
    return vgg_stack(blocks, taps=(3, 8, 15, 22, 29))


@dataclass(frozen=True, kw_only=True)
class _Variant:
    file: TorchvisionFile
    build: Callable[[], FeatureStack]
    linear: str
    linear_sha256: str


_VARIANTS = {
    "lpips_vgg": _Variant(
        file=TorchvisionFile(
            name="vgg16",
            role="the network of LPIPS(vgg)",
            file="vgg16-397923af.pth",
            weights="VGG16_Weights.IMAGENET1K_V1",
            instead="squeezenet",
        ),
        build=_vgg16,
        linear="vgg.pth",
        linear_sha256="a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
    ),
    "lpips_alex": _Variant(
        file=TorchvisionFile(
            name="alexnet",
            role="the network of LPIPS(alex)",
            file="alexnet-owt-7be5be79.pth",
            weights="AlexNet_Weights.IMAGENET1K_V1",
            instead="squeezenet",
        ),
        build=_alexnet,
        linear="alex.pth",
        linear_sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    ),
}
LPIPS_NETWORKS = tuple(_VARIANTS)


class Lpips:
    """LPIPS of two pictures.

        d = sum_l mean_hw sum_c w_lc (x_l / |x_l| - y_l / |y_l|)^2

    x_l and y_l are five feature maps of the pictures, the norm is over channels, w_lc are the
    fitted layers, 0 or more. Like every expert it is no module, has nothing to train, follows its
    input to another device and runs in float32 outside of autocast.

    Args:
        name: one of `LPIPS_NETWORKS`.
        path: torchvision's state-dict file of the network, `NAME-<first digits of its sha256>.pth`;
            by default its official name in the folders of VASA_WEIGHTS.

    Raises:
        InputError: an unknown name, or a file that is missing or another one.
    """

    def __init__(self, name: str, *, path: Path | None = None) -> None:
        if name not in _VARIANTS:
            raise InputError(f"expected LPIPS by one of {LPIPS_NETWORKS}, got {name!r}")
        variant = _VARIANTS[name]
        self.name = name
        self.path = variant.file.require(path)
        self.net = variant.file.load(self.path, variant.build())
        self.linear = _linear_layers(variant)
        self._device = torch.device("cpu")

    def describe(self) -> dict[str, str]:
        """What a result names: network and version of the layers, its file, checksum, licence."""
        return {
            "name": f"{self.name} v0.1",
            "file": self.path.name,
            "sha256": file_sha256(self.path),
            "licence": f"{IMAGENET_LICENCE}; linear layers BSD-2-Clause (lpips)",
        }

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """The distance of pictures `b 3 h w` in [0, 1], sides at least 32, `b`; 0: the same.

        Lower is nearer; differentiable in both.
        """
        if first.device != self._device:
            self.net = self.net.to(first.device)
            self.linear = [weight.to(first.device) for weight in self.linear]
            self._device = first.device
        with torch.autocast(first.device.type, enabled=False):
            total = torch.zeros(len(first), device=first.device)
            maps = zip(self._maps(first), self._maps(second), self.linear, strict=True)
            for x, y, weight in maps:
                total = total + (weight * (x - y).square()).sum(dim=1).mean(dim=(1, 2))
            return total

    def _maps(self, images: Tensor) -> list[Tensor]:
        value = 2 * images.float() - 1
        shift, scale = (value.new_tensor(row)[:, None, None] for row in (SHIFT, SCALE))
        maps = self.net((value - shift) / scale)
        return [x / (x.square().sum(dim=1, keepdim=True).sqrt() + MIN_NORM) for x in maps]


def _linear_layers(variant: _Variant) -> list[Tensor]:
    """w_lc of each map, `c 1 1`."""
    spec = find_spec("torchmetrics")
    assert spec is not None and spec.origin is not None, "torchmetrics is a dependency"
    path = Path(spec.origin).parent / _LINEAR_FOLDER / variant.linear
    if not path.is_file() or file_sha256(path) != variant.linear_sha256:
        raise InputError(
            f"expected LPIPS's linear layers v0.1 (sha256 {variant.linear_sha256[:8]}...) at "
            f"{path}, where torchmetrics keeps them, found "
            f"{'another file' if path.is_file() else 'no file'}; install torchmetrics 1.9 again"
        )
    state = torch.load(path, map_location="cpu", weights_only=True)
    return [state[f"lin{index}.model.1.weight"][0] for index in range(len(state))]
