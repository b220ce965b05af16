"""TorchScript files of the form of I3D's and InceptionV3's, whose features say what came in."""

import warnings
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from vasa.pretrained.registry import REGISTRY, file_sha256


class VideoProbe(nn.Module):
    """Called as StyleGAN-V's I3D: what it is given, in numbers."""

    def forward(
        self, x: Tensor, rescale: bool = True, resize: bool = True, return_features: bool = False
    ) -> Tensor:
        facts = torch.tensor(
            [x.shape[2], x.shape[3], x.shape[4], int(rescale), int(resize), int(return_features)],
            dtype=torch.float32,
        )
        flat = x.flatten(1)
        steps = (x[:, :, 1:] - x[:, :, :-1]).abs().mean(dim=[2, 3, 4])
        ranges = torch.stack((flat.amin(1), flat.amax(1), flat.mean(1)), dim=1)
        means = x.mean(dim=[2, 3, 4])
        return torch.cat((ranges, means, steps, facts.expand(len(x), 6)), dim=1)


class PictureProbe(nn.Module):
    """Called as StyleGAN's InceptionV3: what it is given, in numbers."""

    def forward(self, img: Tensor, return_features: bool = False) -> Tensor:
        facts = torch.tensor([img.shape[2], img.shape[3], int(return_features)]).float()
        flat = img.float().flatten(1)
        away = (flat - flat.round()).abs().amax(1)
        ranges = torch.stack((flat.amin(1), flat.amax(1), flat.mean(1), away), dim=1)
        return torch.cat((ranges, img.float().mean(dim=[2, 3]), facts.expand(len(img), 3)), dim=1)


def install(monkeypatch, folder: Path, **networks: nn.Module) -> None:
    """Saves networks as the files of their experts, and has the registry expect these."""
    folder.mkdir(exist_ok=True)
    for name, network in networks.items():
        path = folder / REGISTRY[name].file
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.script(network).save(str(path))
        monkeypatch.setitem(REGISTRY, name, replace(REGISTRY[name], sha256=file_sha256(path)))
    monkeypatch.setenv("VASA_WEIGHTS", str(folder))
