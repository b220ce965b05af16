"""The pictures that stage 1 logs while it trains: one grid for each thing that it should do."""

import torch
from torch import Tensor

from vasa.evaluation.face_grids import (
    cross_reenactment_grid,
    dynamics_only_grid,
    encode_people,
    frontalisation_grid,
    pose_only_grid,
    self_reenactment_grid,
)
from vasa.evaluation.tiles import to_tensor
from vasa.evaluation.warp_pictures import warp_grid
from vasa.models.face_autoencoder import FaceAutoencoder

NUM_PEOPLE, NUM_DETAILED, NUM_AT_ONCE = 8, 4, 16


@torch.no_grad()
def stage1_samples(
    model: FaceAutoencoder, *, sources: Tensor, drivers: Tensor
) -> dict[str, Tensor]:
    """Named pictures `3 h w` in [0, 1], of the first people of a batch.

    Only self-reenactment takes a person's own driver; a driver of the same person would not show
    what else comes over with its motion. Nothing random is drawn.

    Args:
        model: stage 1, in evaluation mode.
        sources: a frame of each person, `b 3 h w` in [0, 1].
        drivers: another frame of the same people.
    """
    people = encode_people(model, sources=sources[:NUM_PEOPLE], drivers=drivers[:NUM_PEOPLE])
    half = max(1, len(people) // 2)
    crossed = people[:half].with_drivers_of(people[-half:])
    driven = people.driven_by_next()[:NUM_DETAILED]
    grids = {
        "self_reenactment": self_reenactment_grid(model, people[:NUM_DETAILED]),
        "cross_reenactment": cross_reenactment_grid(model, crossed),
        "pose_only": pose_only_grid(model, driven),
        "dynamics_only": dynamics_only_grid(model, driven),
        "frontalisation": frontalisation_grid(model, people[:NUM_DETAILED]),
        "warp_field": warp_grid(model, driven),
    }
    return {name: to_tensor(picture) for name, picture in grids.items()}


@torch.no_grad()
def stage1_latents(model: FaceAutoencoder, image: Tensor) -> dict[str, Tensor]:
    """Codes of pictures, by name, `b ...`.

    Args:
        model: stage 1, in evaluation mode.
        image: uint8 `b 3 h w`.
    """
    found: dict[str, list[Tensor]] = {"z_pose": [], "z_dyn": [], "z_id": []}
    for part in image.split(NUM_AT_ONCE):
        picture = part.float() / 255
        z_pose, z_dyn = model.motion(picture)
        found["z_pose"].append(z_pose)
        found["z_dyn"].append(z_dyn)
        found["z_id"].append(model.identity(picture).float())
    return {name: torch.cat(parts) for name, parts in found.items()}
