"""Driving one picture with the motion of others, with the source encoded once."""

from dataclasses import dataclass
from typing import Protocol

import torch
from einops import repeat
from torch import Tensor

from vasa.types import FaceLatents


class Autoencoder(Protocol):
    """What the protocols need of stage 1 (`vasa.models`' FaceAutoencoder)."""

    def encode(self, image: Tensor) -> FaceLatents: ...

    def decode(self, latents: FaceLatents) -> Tensor: ...

    def motion(self, image: Tensor) -> tuple[Tensor, Tensor]: ...


@dataclass(frozen=True, kw_only=True)
class Reenactments:
    """One source in the motion of many drivers, each `t c h w`.

    Attributes:
        both: pose and dynamics of the driver.
        pose_only: pose of the driver, dynamics of the source.
        dynamics_only: dynamics of the driver, pose of the source.
    """

    both: Tensor
    pose_only: Tensor
    dynamics_only: Tensor


def _decode(
    net: Autoencoder,
    latents: FaceLatents,
    z_pose: Tensor,
    z_dyn: Tensor,
    batch_size: int,
) -> Tensor:
    frames = [
        net.decode(latents.with_motion(z_pose=pose, z_dyn=dynamics))
        for pose, dynamics in zip(z_pose.split(batch_size), z_dyn.split(batch_size), strict=True)
    ]
    return torch.cat(frames).clamp(0, 1)


def driver_motion(net: Autoencoder, drivers: Tensor, *, batch_size: int) -> tuple[Tensor, Tensor]:
    """z_pose `t 6` and z_dyn `t m` of pictures `t c h w`."""
    parts = [net.motion(batch) for batch in drivers.split(batch_size)]
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def reenact(net: Autoencoder, source: Tensor, drivers: Tensor, *, batch_size: int) -> Tensor:
    """The source `c h w` in the pose and dynamics of every driver `t c h w`; `t c h w`."""
    z_pose, z_dyn = driver_motion(net, drivers, batch_size=batch_size)
    return _decode(net, net.encode(source[None]), z_pose, z_dyn, batch_size)


def reenact_apart(
    net: Autoencoder, source: Tensor, drivers: Tensor, *, batch_size: int
) -> Reenactments:
    """Both, pose only and dynamics only (VASA-1 figure 5)."""
    latents = net.encode(source[None])
    z_pose, z_dyn = driver_motion(net, drivers, batch_size=batch_size)
    own_pose = repeat(latents.z_pose, "1 p -> t p", t=len(drivers))
    own_dyn = repeat(latents.z_dyn, "1 m -> t m", t=len(drivers))
    return Reenactments(
        both=_decode(net, latents, z_pose, z_dyn, batch_size),
        pose_only=_decode(net, latents, z_pose, own_dyn, batch_size),
        dynamics_only=_decode(net, latents, own_pose, z_dyn, batch_size),
    )
