"""Volume warps: rigid by head pose, non-rigid by an offset field, and how they are composed.

Coordinates of a volume `b c d h w` are (x, y, z) in the axes of `rotation`, edge to edge
(align_corners=False): x and y in [-1, 1], z from NEAR to FAR, where the front of a head is; planes
behind it would be spent on nothing, and wide gaps between planes blur a face as it turns. A grid
`b d h w 3` says where each output voxel is read from. Convention, decided once: fields are
offsets, not coordinates; a posed volume is the canonical one under
p = exp(log_scale) R q + (tx, ty, 0). Canonical -> posed: read at the inverse of p.
Posed -> canonical: read at p. Places are always float32, under autocast too: bfloat16 tells 256
places of [-1, 1] apart at its edges, a quarter of a voxel at 64.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from vasa.geometry.rotation import rotation_from_angles

NEAR, FAR = -0.85, 0.35


def identity_grid(depth: int, height: int, width: int, *, device: torch.device) -> Tensor:
    """The grid that leaves a volume as it is, `1 d h w 3`."""

    def centres(count: int) -> Tensor:
        return (torch.arange(count, device=device, dtype=torch.float32) * 2 + 1) / count - 1

    z, y, x = torch.meshgrid(centres(depth), centres(height), centres(width), indexing="ij")
    return torch.stack((x, y, (NEAR + FAR) / 2 + (FAR - NEAR) / 2 * z), dim=-1)[None]


def _in_float32(device: torch.device) -> AbstractContextManager[Any]:
    """Without autocast, which tensors without content have not."""
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)


def _translation(pose: Tensor) -> Tensor:
    return F.pad(pose[:, 3:5], (0, 1))


def pose_points(points: Tensor, pose: Tensor) -> Tensor:
    """Head coordinates to the picture's: p = exp(log_scale) R q + (tx, ty, 0).

    Args:
        points: `b n 3` or `1 n 3`.
        pose: yaw, pitch, roll, tx, ty, log scale, `b 6`.

    Returns:
        `b n 3`, float32.
    """
    with _in_float32(pose.device):
        pose, points = pose.float(), points.float().expand(len(pose), -1, -1)
        posed = torch.einsum("b i j, b n j -> b n i", rotation_from_angles(pose[:, :3]), points)
        return posed * pose[:, 5].exp()[:, None, None] + _translation(pose)[:, None]


def unpose_points(points: Tensor, pose: Tensor) -> Tensor:
    """The inverse of `pose_points`: q = exp(-log_scale) R^T (p - t)."""
    with _in_float32(pose.device):
        pose, points = pose.float(), points.float().expand(len(pose), -1, -1)
        moved = points - _translation(pose)[:, None]
        unposed = torch.einsum("b j i, b n j -> b n i", rotation_from_angles(pose[:, :3]), moved)
        return unposed * (-pose[:, 5]).exp()[:, None, None]


def _carry(transform: Callable[[Tensor, Tensor], Tensor], grid: Tensor, pose: Tensor) -> Tensor:
    """A grid's points `b d h w 3` or `1 d h w 3` under `pose_points` or its inverse."""
    points = transform(grid.flatten(1, 3), pose)
    return points.reshape(len(points), *grid.shape[1:4], 3)


def head_grid(pose: Tensor, depth: int, height: int, width: int) -> Tensor:
    """Head coordinates of a posed volume's voxels, `b d h w 3`."""
    return _carry(unpose_points, identity_grid(depth, height, width, device=pose.device), pose)


def sample_volume(volume: Tensor, grid: Tensor) -> Tensor:
    """Read a volume `b c d h w` at a grid `b d h w 3`, trilinear, edges continued.

    A volume of less than float32 is read in float32, as its places are, and given back in its own.
    """
    middle = torch.tensor((0.0, 0.0, (NEAR + FAR) / 2), device=grid.device)
    half = torch.tensor((1.0, 1.0, (FAR - NEAR) / 2), device=grid.device)
    places = (grid - middle) / half
    read = F.grid_sample(
        volume.to(places.dtype), places, padding_mode="border", align_corners=False
    )
    return read.to(volume.dtype)


def warp_to_canonical(volume: Tensor, pose: Tensor, offsets: Tensor) -> Tensor:
    """Posed volume to canonical space: inverse rigid, then non-rigid (MegaPortraits eq. 1).

    Both are read in one interpolation: canonical(q) = posed(p(q + offsets(q))).

    Args:
        volume: posed volume `b c d h w`.
        pose: `b 6`.
        offsets: non-rigid field on canonical space, `b 3 d' h' w'`, interpolated.
    """
    depth, height, width = volume.shape[-3:]
    if offsets.shape[2:] != volume.shape[2:]:
        offsets = F.interpolate(offsets, volume.shape[2:], mode="trilinear", align_corners=False)
    moved = identity_grid(depth, height, width, device=volume.device) + rearrange(
        offsets, "b xyz d h w -> b d h w xyz"
    )
    return sample_volume(volume, _carry(pose_points, moved, pose))


def warp_from_canonical(
    volume: Tensor, pose: Tensor, offsets: Tensor, residual: Tensor | None = None
) -> Tensor:
    """Canonical volume to a pose: non-rigid, then rigid (MegaPortraits eq. 3).

    posed(p) = canonical(q + offsets(q)) + residual(q) with q the head coordinates of p. The smooth
    fields are posed at their own size and then enlarged; the appearance is interpolated once.

    Args:
        volume: canonical volume `b c d h w`, or `1 c d h w` for all poses.
        pose: `b 6`.
        offsets: non-rigid field on canonical space, `b 3 d' h' w'`, interpolated.
        residual: added to the first r channels, on canonical space, `b r d' h' w'`.
    """
    depth, height, width = volume.shape[-3:]
    fields = offsets if residual is None else torch.cat((offsets, residual), dim=1)
    fields = sample_volume(fields, head_grid(pose, depth, *fields.shape[-2:]))
    fields = F.interpolate(fields, (depth, height, width), mode="trilinear", align_corners=False)
    moved = head_grid(pose, depth, height, width) + rearrange(
        fields[:, :3], "b xyz d h w -> b d h w xyz"
    )
    posed = sample_volume(volume.expand(len(pose), -1, -1, -1, -1), moved)
    if residual is None:
        return posed
    num_added = residual.shape[1]
    return torch.cat((posed[:, :num_added] + fields[:, 3:], posed[:, num_added:]), dim=1)


def frontal_grid(
    pose: Tensor,
    size: int,
    *,
    centre: tuple[float, float],
    half_side: float,
    bowl_radius: float,
    bowl_depth: float,
) -> Tensor:
    """Where to read a picture so that a part of a bowl-shaped face appears frontal and centred.

    Unspecified in the paper: MegaPortraits crops the driver before its expression encoder; this
    crop also undoes the rotation for a face taken as the paraboloid
    z = -bowl_depth (1 - (x^2 + y^2) / bowl_radius^2), so that less of the pose is left to be seen.

    Args:
        pose: `b 6`.
        size: pixels a side.
        centre: x, y of the crop's middle in head units.
        half_side: half side of the crop in head units.
        bowl_radius: where the bowl ends, in head units.
        bowl_depth: how far its middle stands before the head's centre, in head units.

    Returns:
        2D sampling grid in [-1, 1], `b size size 2`.
    """
    flat = identity_grid(1, size, size, device=pose.device)[0, 0, ..., :2] * half_side
    flat = flat + torch.tensor(centre, device=pose.device)
    bowl = (1 - flat.square().sum(-1, keepdim=True) / bowl_radius**2).clamp(min=0)
    head = torch.cat((flat, -bowl_depth * bowl), dim=-1)
    points = pose_points(rearrange(head, "h w xyz -> 1 (h w) xyz"), pose)
    return rearrange(points[..., :2], "b (h w) xy -> b h w xy", h=size)
