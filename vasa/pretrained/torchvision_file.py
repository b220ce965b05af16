"""Convolutions of torchvision's ImageNet classifiers from its weight files alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from vasa.pretrained.registry import WEIGHTS_VARIABLE, file_sha256, weight_folders
from vasa.types import InputError

IMAGENET_LICENCE = "BSD-3-Clause package (torchvision); trained on ImageNet (research terms)"
_DIGEST = re.compile(r".+-([0-9a-f]{8,64})\.pth")

Net = TypeVar("Net", bound=nn.Module)


class FeatureStack(nn.Module):
    """A classifier's `features`, with torchvision's names of weights, and which layers are seen.

    Args:
        layers: in order.
        taps: indices of the layers whose outputs are given back.
    """

    def __init__(self, layers: Sequence[nn.Module], *, taps: Sequence[int]) -> None:
        super().__init__()
        self.taps = tuple(taps)
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Outputs of the tapped layers."""
        maps = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.taps:
                maps.append(x)
        return maps


def vgg_stack(blocks: Sequence[tuple[int, int]], *, taps: Sequence[int]) -> FeatureStack:
    """VGG's `features`: blocks of 3 x 3 convolutions (width, how many), pooled between them.

    Simonyan and Zisserman 2015.
    """
    layers: list[nn.Module] = []
    width = 3
    for outer, count in blocks:
        if layers:
            layers.append(nn.MaxPool2d(2))
        for _ in range(count):
            layers += [nn.Conv2d(width, outer, 3, padding=1), nn.ReLU()]
            width = outer
    return FeatureStack(layers, taps=taps)


@dataclass(frozen=True, kw_only=True)
class TorchvisionFile:
    """One weight file.

    Attributes:
        name: of the architecture, as torchvision's functions have it.
        role: what it is used for here.
        file: official file name, which ends in the first digits of its sha256.
        weights: torchvision's name of the weights.
        instead: what can be used without it.
    """

    name: str
    role: str
    file: str
    weights: str
    instead: str

    @property
    def source(self) -> str:
        """Where it is from and under what licence."""
        return (
            f"it is torchvision's {self.weights}, official address "
            f"https://download.pytorch.org/models/{self.file} (licence: {IMAGENET_LICENCE})"
        )

    def require(self, path: Path | None) -> Path:
        """The file at a path, or in the folders of VASA_WEIGHTS, its checksum as its name says.

        Raises:
            InputError: no file, a name without a checksum, or another checksum.
        """
        if path is None:
            folders = weight_folders()
            path = next((at / self.file for at in folders if (at / self.file).is_file()), None)
            if path is None:
                raise InputError(
                    f"expected the weights of {self.name} ({self.role}), file {self.file}, in one "
                    f"of [{', '.join(map(str, folders))}], found none; {self.source}; set "
                    f"{WEIGHTS_VARIABLE} to its folder, or use {self.instead}"
                )
        if not path.is_file():
            raise InputError(
                f"expected the weights of {self.name} at {path}, found no file; {self.source}"
            )
        named = _DIGEST.fullmatch(path.name)
        if named is None:
            raise InputError(
                f"expected a name like {self.file}, which ends in the first 8 digits or more of "
                f"the file's sha256, got {path.name}; {self.source}"
            )
        found = file_sha256(path)
        if not found.startswith(named[1]):
            raise InputError(
                f"expected sha256 {named[1]}... of {path}, as its name says, got {found}; the file "
                f"is damaged: get it again; {self.source}"
            )
        return path

    def load(self, path: Path, net: Net) -> Net:
        """The net with the file's weights, frozen; others in the file are left out.

        Raises:
            InputError: another form.
        """
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            net.load_state_dict({name: state[name] for name in net.state_dict()})
        except Exception as error:  # whatever torch's unpickler makes of a foreign file
            reason = (str(error).splitlines() or [""])[0]
            raise InputError(
                f"expected a state dict of torchvision's {self.name} in {path}: "
                f"{type(error).__name__}: {reason}; {self.source}"
            ) from error
        return net.eval().requires_grad_(False)
