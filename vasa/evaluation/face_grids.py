"""What stage 1 makes of faces, as labelled grids: for the samples of training and for sheets."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from einops import repeat
from PIL import Image
from torch import Tensor

from vasa.evaluation.protocols.reenactment import Autoencoder
from vasa.evaluation.tiles import difference, grid
from vasa.types import FaceLatents

YAWS_DEG = (-30.0, -15.0, 0.0, 15.0, 30.0)
PITCHES_DEG = (-15.0, 15.0)


@dataclass(frozen=True, kw_only=True)
class People:
    """Sources and drivers, encoded once for all grids.

    Attributes:
        sources: a picture of each person, `b c h w` in [0, 1].
        drivers: as many pictures whose motion is taken, likewise.
        latents: of each source, batches of one.
        z_pose: of the drivers, `b 6`.
        z_dyn: of the drivers, `b m`.
    """

    sources: Tensor
    drivers: Tensor
    latents: list[FaceLatents]
    z_pose: Tensor
    z_dyn: Tensor

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, chosen: slice) -> "People":
        return People(
            sources=self.sources[chosen],
            drivers=self.drivers[chosen],
            latents=self.latents[chosen],
            z_pose=self.z_pose[chosen],
            z_dyn=self.z_dyn[chosen],
        )

    def with_drivers_of(self, others: "People") -> "People":
        """The same sources with the drivers of others, of which there are as many."""
        return replace(self, drivers=others.drivers, z_pose=others.z_pose, z_dyn=others.z_dyn)

    def driven_by_next(self) -> "People":
        """Each source with the driver of the next person in the circle."""
        return replace(
            self,
            drivers=self.drivers.roll(-1, 0),
            z_pose=self.z_pose.roll(-1, 0),
            z_dyn=self.z_dyn.roll(-1, 0),
        )


def encode_people(net: Autoencoder, *, sources: Tensor, drivers: Tensor) -> People:
    """Encodes `b` sources and as many drivers, one after another, to save memory."""
    assert len(sources) == len(drivers), "a driver a source"
    motions = [net.motion(driver[None]) for driver in drivers]
    return People(
        sources=sources,
        drivers=drivers,
        latents=[net.encode(source[None]) for source in sources],
        z_pose=torch.cat([z_pose for z_pose, _ in motions]),
        z_dyn=torch.cat([z_dyn for _, z_dyn in motions]),
    )


def decode_as(net: Autoencoder, latents: FaceLatents, z_pose: Tensor, z_dyn: Tensor) -> Tensor:
    """One face in motions of which either may be a batch of one, `n c h w`."""
    count = max(len(z_pose), len(z_dyn))
    moved = latents.with_motion(z_pose=z_pose.expand(count, -1), z_dyn=z_dyn.expand(count, -1))
    return net.decode(moved).clamp(0, 1)


def self_reenactment_grid(net: Autoencoder, people: People) -> Image.Image:
    """source | driver | result | |result - driver| x 4, a person a row."""
    rows = []
    for i, latents in enumerate(people.latents):
        result = decode_as(net, latents, people.z_pose[i][None], people.z_dyn[i][None])[0]
        driver = people.drivers[i]
        rows.append([people.sources[i], driver, result, difference(result, driver)])
    return grid(rows, header=["source", "driver", "result", "difference × 4"])


def cross_reenactment_grid(net: Autoencoder, people: People) -> Image.Image:
    """Sources down, drivers across: one motion on several people and the other way round."""
    rows: list[Sequence[Tensor | None]] = [[None, *people.drivers]]
    for source, latents in zip(people.sources, people.latents, strict=True):
        rows.append([source, *decode_as(net, latents, people.z_pose, people.z_dyn)])
    return grid(rows, header=["source ↓  driver →", *[""] * len(people)])


def swap_grid(net: Autoencoder, people: People) -> Image.Image:
    """source | driver | both | pose only | dynamics only (VASA-1 figure 5)."""
    rows = []
    for i, latents in enumerate(people.latents):
        z_pose, z_dyn = people.z_pose[i][None], people.z_dyn[i][None]
        results = (
            decode_as(net, latents, z_pose, z_dyn),
            decode_as(net, latents, z_pose, latents.z_dyn),
            decode_as(net, latents, latents.z_pose, z_dyn),
        )
        rows.append([people.sources[i], people.drivers[i], *(result[0] for result in results)])
    header = ["source", "driver", "pose + dynamics", "pose only", "dynamics only"]
    return grid(rows, header=header)


def pose_only_grid(net: Autoencoder, people: People) -> Image.Image:
    """source | driver | the source in the driver's pose, with its own dynamics."""
    rows = []
    for i, latents in enumerate(people.latents):
        result = decode_as(net, latents, people.z_pose[i][None], latents.z_dyn)
        rows.append([people.sources[i], people.drivers[i], result[0]])
    return grid(rows, header=["source", "driver: its pose", "result"])


def dynamics_only_grid(net: Autoencoder, people: People) -> Image.Image:
    """source | driver | the source with the driver's dynamics, in its own pose."""
    rows = []
    for i, latents in enumerate(people.latents):
        result = decode_as(net, latents, latents.z_pose, people.z_dyn[i][None])
        rows.append([people.sources[i], people.drivers[i], result[0]])
    return grid(rows, header=["source", "driver: dynamics", "result"])


def turned_poses(placement: Tensor) -> Tensor:
    """The poses of a frontalisation grid, all of one place and size: yaws, then pitches.

    Args:
        placement: tx, ty (half pictures) and log scale, `3`.

    Returns:
        `n 6`; the middle one of the yaws has no rotation at all.
    """
    angles = [(math.radians(yaw), 0.0, 0.0) for yaw in YAWS_DEG]
    angles += [(0.0, math.radians(pitch), 0.0) for pitch in PITCHES_DEG]
    rotations = torch.tensor(angles, device=placement.device)
    return torch.cat((rotations, repeat(placement, "p -> n p", n=len(angles))), dim=1)


def frontalisation_grid(net: Autoencoder, people: People) -> Image.Image:
    """source | turned to fixed yaws, frontal in the middle | to fixed pitches; own dynamics.

    Place and size are the mean over the people, so that heads can be compared down a column.
    """
    placement = torch.cat([latents.z_pose[:, 3:] for latents in people.latents]).mean(0)
    poses = turned_poses(placement)
    rows = [
        [source, *decode_as(net, latents, poses, latents.z_dyn)]
        for source, latents in zip(people.sources, people.latents, strict=True)
    ]
    yaws = ["frontal" if yaw == 0 else f"yaw {_degrees(yaw)}" for yaw in YAWS_DEG]
    pitches = [f"pitch {_degrees(pitch)}" for pitch in PITCHES_DEG]
    return grid(rows, header=["source", *yaws, *pitches])


def _degrees(angle: float) -> str:
    return f"{angle:+.0f}°".replace("-", "−")
