"""VGG19 features for the perceptual loss of the papers (MegaPortraits eq. 4, L_IN)."""

import re
from pathlib import Path

import torch
from torch import Tensor, nn

from vasa.pretrained.registry import WEIGHTS_VARIABLE, file_sha256, weight_folders
from vasa.types import InputError

VGG19_FILE = "vgg19-dcbb9e9d.pth"
_SOURCE = (
    "it is torchvision's VGG19_Weights.IMAGENET1K_V1, official address "
    f"https://download.pytorch.org/models/{VGG19_FILE} (licence: BSD-3-Clause package; trained on "
    "ImageNet, research terms)"
)
_BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 1))
"""Width and convolutions of each block, up to relu5_1; the network itself goes on."""
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class _Features(nn.Module):
    """torchvision's `vgg19().features` up to relu5_1, with its names of weights."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.taps: list[int] = []
        width = 3
        for outer, count in _BLOCKS:
            if layers:
                layers.append(nn.MaxPool2d(2))
            for index in range(count):
                layers += [nn.Conv2d(width, outer, 3, padding=1), nn.ReLU()]
                width = outer
                if index == 0:
                    self.taps.append(len(layers) - 1)
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.taps:
                maps.append(x)
        return maps


class VGG19Features:
    """relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1 of an ImageNet VGG19: L_IN's network.

    Simonyan and Zisserman 2015 (MegaPortraits eq. 4, L_IN). Unspecified in the paper: which
    layers; these are pix2pixHD's. The weights are torchvision's file, which is never downloaded
    here. Like every expert it is no module, has nothing to train, follows its input to another
    device and runs in float32 outside of autocast.

    Args:
        path: a state-dict file `NAME-<first digits of its sha256>.pth`, all of VGG19 or its
            `features.*`; by default vgg19-dcbb9e9d.pth in the folders of VASA_WEIGHTS.

    Raises:
        InputError: no file, another checksum than its name says, or another form.
    """

    def __init__(self, *, path: Path | None = None) -> None:
        self.path = _require(path)
        self.net = _load(self.path)
        self._device = torch.device("cpu")

    def describe(self) -> dict[str, str]:
        """What a result names: the expert, its file, checksum and licence."""
        return {
            "name": "vgg19",
            "file": self.path.name,
            "sha256": file_sha256(self.path),
            "licence": "BSD-3-Clause package (torchvision); trained on ImageNet (research terms)",
        }

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Five maps, at 1/1 to 1/16 of the side, of pictures `b 3 h w` in [0, 1].

        Args:
            images: sides at least 16; differentiable.
        """
        if images.device != self._device:
            self.net = self.net.to(images.device)
            self._device = images.device
        with torch.autocast(images.device.type, enabled=False):
            value = images.float()
            mean, std = (value.new_tensor(row)[:, None, None] for row in (_MEAN, _STD))
            return self.net((value - mean) / std)


def _require(path: Path | None) -> Path:
    """The weights' file, its checksum checked against its name."""
    if path is None:
        folders = weight_folders()
        path = next((at / VGG19_FILE for at in folders if (at / VGG19_FILE).is_file()), None)
        if path is None:
            raise InputError(
                f"expected the weights of vgg19 (perceptual features), file {VGG19_FILE}, in one "
                f"of [{', '.join(map(str, folders))}], found none; {_SOURCE}; set "
                f"{WEIGHTS_VARIABLE} to its folder, or use squeezenet or face_expert"
            )
    if not path.is_file():
        raise InputError(f"expected the weights of vgg19 at {path}, found no file; {_SOURCE}")
    named = re.fullmatch(r".+-([0-9a-f]{8,64})\.pth", path.name)
    if named is None:
        raise InputError(
            f"expected a name like {VGG19_FILE}, which ends in the first 8 digits or more of the "
            f"file's sha256, got {path.name}; {_SOURCE}"
        )
    found = file_sha256(path)
    if not found.startswith(named[1]):
        raise InputError(
            f"expected sha256 {named[1]}... of {path}, as its name says, got {found}; the file is "
            f"damaged: get it again; {_SOURCE}"
        )
    return path


def _load(path: Path) -> nn.Module:
    net = _Features()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        net.load_state_dict({name: state[name] for name in net.state_dict()})
    except Exception as error:  # whatever torch's unpickler makes of a foreign file
        reason = (str(error).splitlines() or [""])[0]
        raise InputError(
            f"expected a state dict of torchvision's vgg19 in {path}: "
            f"{type(error).__name__}: {reason}; {_SOURCE}"
        ) from error
    return net.eval().requires_grad_(False)
