"""The driver's non-rigid warp, drawn on the face that it moves.

A field of offsets says where each place of a head is read from, so what is seen there has moved by
minus the offset; that motion is what is drawn. The field lies in a volume, and what a viewer sees
of it is one surface: the front of the head, taken as the ellipsoid that lifting starts from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from matplotlib.colors import hsv_to_rgb
from PIL import Image, ImageDraw
from torch import Tensor

from vasa.evaluation.face_grids import People, decode_as
from vasa.evaluation.tiles import INK, grid, label_font, to_tensor
from vasa.geometry.warp import FAR, NEAR, sample_volume, unpose_points
from vasa.models.face_autoencoder import FaceAutoencoder

SIZE_PX = 192
FULL_MOTION = 0.1
"""Motion in half pictures that has full colour; larger ones have the same."""
CELLS = 20
"""Squares of the checkerboard, and meshes, over the picture's width."""
ROUNDS = 6
AWAY, TOWARDS = (0.13, 0.40, 0.67), (0.70, 0.09, 0.17)
LIGHT, DARK, BEYOND, AROUND = 0.92, 0.25, 0.6, 0.93
MESH, MESH_SHARE = (0.1, 1.0, 0.4), 0.7


@dataclass(frozen=True, kw_only=True)
class SeenHead:
    """What each pixel shows of a head under a warp.

    Attributes:
        places: x, y on the unmoved head, half pictures, `b h w 2`.
        motion: how far that has moved, without the head, half pictures, `b 3 h w`.
        is_head: whether the pixel's ray meets the head, `b h w`.
    """

    places: Tensor
    motion: Tensor
    is_head: Tensor


def seen_head(offsets: Tensor, pose: Tensor, *, radii: Tensor, size_px: int) -> SeenHead:
    """Follows each pixel's ray to the head, moved as `warp_from_canonical` moves a volume.

    A point p of the picture shows q + offsets(q) of the unmoved head, q being p's head
    coordinates, a + b z along a ray. The z at which |(a + b z + offsets) / radii| = 1 first is
    solved for with the offsets of the z before, a few times.

    Args:
        offsets: the driver's field, `b 3 d h w`.
        pose: `b 6`.
        radii: of the ellipsoid, x y z in head units, `3`.
        size_px: side of the pictures.
    """
    axis = (torch.arange(size_px, device=pose.device) * 2 + 1) / size_px - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    pixels = rearrange(torch.stack((x, y, torch.zeros_like(x)), dim=-1), "h w xyz -> 1 (h w) xyz")
    start = unpose_points(pixels, pose)
    along = unpose_points(pixels + pixels.new_tensor((0.0, 0.0, 1.0)), pose) - start

    def read(points: Tensor) -> Tensor:
        # before the volume's first plane and behind its last, a warp reads these
        inside = torch.cat((points[..., :2], points[..., 2:].clamp(NEAR, FAR)), dim=-1)
        found = sample_volume(offsets, rearrange(inside, "b n xyz -> b 1 1 n xyz"))
        return rearrange(found, "b xyz 1 1 n -> b n xyz")

    shift = torch.zeros_like(start)
    for _ in range(ROUNDS):
        u, v = (start + shift) / radii, along / radii
        a, half_b, c = v.square().sum(-1), (u * v).sum(-1), u.square().sum(-1) - 1
        root = half_b.square() - a * c
        z = (-half_b - root.clamp(min=0).sqrt()) / a
        points = start + along * z[..., None]
        shift = read(points)
    size = {"h": size_px, "w": size_px}
    return SeenHead(
        places=rearrange((points + shift)[..., :2], "b (h w) xy -> b h w xy", **size),
        motion=rearrange(-shift, "b (h w) xyz -> b xyz h w", **size),
        is_head=rearrange(root.gt(0), "b (h w) -> b h w", **size),
    )


def checkerboard(head: SeenHead) -> Tensor:
    """The head as if a checkerboard were painted on it, its middle lines red, `b 3 h w`."""
    light = (head.places * CELLS / 2).floor().sum(-1) % 2
    shade = torch.where(head.is_head, DARK + (LIGHT - DARK) * light, BEYOND)
    picture = repeat(shade, "b h w -> b c h w", c=3)
    is_middle = (head.places.abs().amin(-1) < 1.5 / picture.shape[-1]) & head.is_head
    return torch.where(is_middle[:, None], _colour(TOWARDS, picture), picture)


def meshed(picture: Tensor, head: SeenHead) -> Tensor:
    """A picture `b 3 h w` under lines that lie evenly on the unmoved head, `b 3 h' w'`."""
    size_px = head.places.shape[1]
    size = (size_px, size_px)
    picture = F.interpolate(picture, size, mode="bicubic", antialias=True).clamp(0, 1)
    cells = head.places * CELLS / 2
    nearest_px = (cells - cells.round()).abs().amin(-1) * size_px / CELLS
    share = MESH_SHARE * (1 - nearest_px).clamp(0, 1) * head.is_head
    return picture + share[:, None] * (_colour(MESH, picture) - picture)


def direction_colours(motion: Tensor) -> Tensor:
    """Motion x, y `b 2 h w` as hue (direction) and saturation (size); white is none; `b 3 h w`."""
    x, y = motion.unbind(1)
    hue = (torch.atan2(y, x) / (2 * torch.pi)) % 1
    size = (torch.hypot(x, y) / FULL_MOTION).clamp(0, 1)
    colours = hsv_to_rgb(torch.stack((hue, size, torch.ones_like(hue)), dim=-1).cpu().numpy())
    return rearrange(torch.from_numpy(np.asarray(colours)).to(motion), "b h w c -> b c h w")


def depth_colours(motion: Tensor) -> Tensor:
    """Motion z `b h w`: red towards the viewer (-z), blue away, white is none; `b 3 h w`."""
    share = (motion / FULL_MOTION).clamp(-1, 1)[:, None]
    colour = torch.where(share < 0, _colour(TOWARDS, motion), _colour(AWAY, motion))
    return 1 - share.abs() * (1 - colour)


def warp_grid(net: FaceAutoencoder, people: People) -> Image.Image:
    """source | driver | result | frontal, under a mesh | x, y motion | z motion | the whole warp.

    The middle ones are without the head's own motion; the last one has both.
    """
    rows: list[Sequence[Tensor | None]] = []
    for i, latents in enumerate(people.latents):
        z_pose, z_dyn = people.z_pose[i][None], people.z_dyn[i][None]
        no_pose = torch.zeros_like(z_pose)
        offsets, _ = net.warp_driver(z_dyn, latents.z_id)
        still, whole = (
            seen_head(offsets, pose, radii=net.lift.radii, size_px=SIZE_PX)
            for pose in (no_pose, z_pose)
        )
        pictures = (
            decode_as(net, latents, z_pose, z_dyn),
            meshed(decode_as(net, latents, no_pose, z_dyn), still),
            _cut_out(direction_colours(still.motion[:, :2]), still),
            _cut_out(depth_colours(still.motion[:, 2]), still),
            checkerboard(whole),
        )
        row = [people.sources[i], people.drivers[i], *(picture[0] for picture in pictures)]
        rows.append(row)
    rows.append([None, None, None, None, *_legends(), None])
    header = ["source", "driver", "result", "face alone, pose 0"]
    return grid(rows, header=[*header, "its x, y motion", "its z motion", "face and head"])


def _cut_out(picture: Tensor, head: SeenHead) -> Tensor:
    return torch.where(head.is_head[:, None], picture, AROUND)


def _colour(colour: tuple[float, float, float], like: Tensor) -> Tensor:
    return torch.tensor(colour, device=like.device, dtype=like.dtype)[:, None, None]


def _legends() -> tuple[Tensor, Tensor]:
    """Keys of `direction_colours` and `depth_colours`, `3 h w` each."""
    axis = ((torch.arange(SIZE_PX) * 2 + 1) / SIZE_PX - 1) / 0.5
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    wheel = direction_colours(torch.stack((x, y))[None] * FULL_MOTION)[0]
    wheel = torch.where(x.square() + y.square() <= 1, wheel, 1.0)
    bar = depth_colours(y[None] * FULL_MOTION)[0]
    bar = torch.where((x.abs() <= 0.3) & (y.abs() <= 1), bar, 1.0)
    size = f"{FULL_MOTION:g} half pictures"
    sides = {(0.12, 0.5): "left", (0.88, 0.5): "right", (0.5, 0.2): "up", (0.5, 0.8): "down"}
    return (
        _written(wheel, {**sides, (0.5, 0.93): f"rim: {size} or more"}),
        _written(bar, {(0.5, 0.2): "nearer", (0.5, 0.8): "farther", (0.5, 0.93): f"ends: {size}"}),
    )


def _written(picture: Tensor, words: dict[tuple[float, float], str]) -> Tensor:
    pixels = rearrange(picture, "c h w -> h w c").mul(255).round().byte().numpy()
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    for (x, y), word in words.items():
        place = (x * image.width, y * image.height)
        draw.text(place, word, fill=INK, font=label_font(), anchor="mm")
    return to_tensor(image)
