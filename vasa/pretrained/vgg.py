"""VGG19 features for the perceptual loss of the papers (MegaPortraits eq. 4, L_IN)."""

from pathlib import Path

import torch
from torch import Tensor

from vasa.pretrained.registry import file_sha256
from vasa.pretrained.torchvision_file import IMAGENET_LICENCE, TorchvisionFile, vgg_stack

VGG19_FILE = "vgg19-dcbb9e9d.pth"
_VGG19 = TorchvisionFile(
    name="vgg19",
    role="perceptual features",
    file=VGG19_FILE,
    weights="VGG19_Weights.IMAGENET1K_V1",
    instead="squeezenet or face_expert",
)
_BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 1))
"""Up to relu5_1; the network itself goes on."""
_TAPS = (1, 6, 11, 20, 29)
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


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
        self.path = _VGG19.require(path)
        self.net = _VGG19.load(self.path, vgg_stack(_BLOCKS, taps=_TAPS))
        self._device = torch.device("cpu")

    def describe(self) -> dict[str, str]:
        """What a result names: the expert, its file, checksum and licence."""
        return {
            "name": "vgg19",
            "file": self.path.name,
            "sha256": file_sha256(self.path),
            "licence": IMAGENET_LICENCE,
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
