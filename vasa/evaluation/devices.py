"""Networks on another device behind the same calls: pictures go in and come out on the CPU."""

from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from vasa.types import FaceLatents, FaceMeasurements


def device_name(device: torch.device) -> str:
    """`cpu`, or the GPU's name, such as `cuda: NVIDIA H200`."""
    if device.type != "cuda":
        return device.type
    return f"cuda: {torch.cuda.get_device_name(device)}"


class AutoencoderOn:
    """A FaceAutoencoder on a device; motions and pictures are handed over on the CPU.

    Args:
        net: FaceAutoencoder.
        device: where it computes; latents stay there.
    """

    def __init__(self, net: Any, device: torch.device) -> None:
        self.net = net.to(device)
        self.device = device
        self.image_size = net.image_size

    def encode(self, image: Tensor) -> FaceLatents:
        """See FaceAutoencoder."""
        return self.net.encode(image.to(self.device))

    def decode(self, latents: FaceLatents) -> Tensor:
        """See FaceAutoencoder."""
        moved = {
            item.name: getattr(latents, item.name).to(self.device) for item in fields(FaceLatents)
        }
        return self.net.decode(FaceLatents(**moved)).float().cpu()

    def motion(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """See FaceAutoencoder."""
        z_pose, z_dyn = self.net.motion(image.to(self.device))
        return z_pose.cpu(), z_dyn.cpu()


class InstrumentOn:
    """A measuring expert on a device; measurements are handed over on the CPU."""

    def __init__(self, net: Any, device: torch.device) -> None:
        self.net = net.to(device)
        self.device = device

    def __call__(self, image: Tensor) -> FaceMeasurements:
        found = self.net(image.to(self.device))
        values = {item.name: getattr(found, item.name) for item in fields(FaceMeasurements)}
        moved = {
            name: None if value is None else value.float().cpu() for name, value in values.items()
        }
        return FaceMeasurements(**moved)
