"""Whose motion moves whom: the people of the global batch, whichever process holds them."""

import math
from dataclasses import dataclass

import lightning
import torch
from torch import Tensor

from vasa.data.order import RowShare
from vasa.models.face_autoencoder import FaceAutoencoder
from vasa.training.ranks import rows_of_all, share_of
from vasa.types import FaceLatents


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The transfers of a process: m people, each with two frames and with its neighbour's driver.

    Attributes:
        labels: of frames, `b ...`.
        image: those frames in [0, 1], `b 3 h w`.
        latents: theirs; appearance of the first rows, which hold all sources and drivers.
        source: rows i of the people, `m`.
        driver: rows j, `m`.
        other: rows of the neighbours' drivers, `m`.
        neighbour: the neighbours' places in the global batch, `m`.
    """

    labels: dict[str, Tensor]
    image: Tensor
    latents: FaceLatents
    source: Tensor
    driver: Tensor
    other: Tensor
    neighbour: Tensor


def num_transfers(people: int, *, transfer_share: float, share: RowShare) -> int:
    """People of a process that transfers are taken of.

    A share of the global batch, two at least, in equal parts: rounded up where the processes do
    not divide it, so that no process waits for another's.

    Args:
        people: of the process.
        transfer_share: of the batch.
        share: of the process.
    """
    return math.ceil(max(2, round(people * share.count * transfer_share)) / share.count)


def pairs_in_process(
    labels: dict[str, Tensor], image: Tensor, latents: FaceLatents, *, some: int
) -> Pairs:
    """The first people of a batch that one process holds: all sources, then all drivers."""
    people = len(image) // 2
    source = torch.arange(some)
    neighbour = (source + 1) % people
    return Pairs(
        labels=labels,
        image=image,
        latents=latents,
        source=source,
        driver=people + source,
        other=people + neighbour,
        neighbour=neighbour,
    )


def pairs_of_all(
    module: lightning.LightningModule,
    model: FaceAutoencoder,
    labels: dict[str, Tensor],
    *,
    z_pose: Tensor,
    z_dyn: Tensor,
    some: int,
) -> Pairs:
    """This process's part of the first people of the global batch.

    Frames and motion codes come from the processes that hold them, and gradients flow back;
    appearance is encoded here once more, for volumes are larger than pictures.

    Args:
        module: in training.
        model: encodes appearance.
        labels: of own frames with their `image`, all sources, then all drivers, `2p ...`.
        z_pose: of own frames, `2p 6`.
        z_dyn: of own frames, `2p m`.
        some: people of each process.
    """
    share = share_of(module)
    people = len(z_pose) // 2 * share.count
    place = share.index * some + torch.arange(some)
    neighbour = (place + 1) % people
    wanted = torch.cat((place, people + place, people + neighbour))

    def take(rows: Tensor) -> Tensor:
        return rows_of_all(module, rows, groups=2)[wanted.to(rows.device)]

    taken = {name: take(rows) for name, rows in labels.items()}
    image = taken["image"].float() / 255
    z_pose, z_dyn = take(z_pose), take(z_dyn)
    seen = 2 * some
    z_id = model.identity(image[:seen]).float()
    app_volume = model.canonical_volume(
        image[:seen], z_id=z_id, z_pose=z_pose[:seen], z_dyn=z_dyn[:seen]
    )
    source = torch.arange(some)
    return Pairs(
        labels=taken,
        image=image,
        latents=FaceLatents(app_volume=app_volume, z_id=z_id, z_pose=z_pose, z_dyn=z_dyn),
        source=source,
        driver=some + source,
        other=seen + source,
        neighbour=neighbour,
    )
