"""The picture under work, and how rays of its pixels meet ellipsoids in the head's frame."""

from dataclasses import dataclass

import numpy as np
import torch

from data_prep.synth.shape import clamp
from vasa.geometry.rotation import rotation_from_angles


@dataclass(frozen=True, kw_only=True)
class View:
    """Where the head is: p_picture = scale * R @ p_head + (tx, ty, 0)."""

    rotation: np.ndarray
    scale: float
    shift: tuple[float, float]
    pixel: float  # size of a picture's pixel in head units

    def project(self, points: np.ndarray) -> np.ndarray:
        """Head points `... 3` to the picture, x and y in half pictures, z away from the viewer."""
        moved = self.scale * points @ self.rotation.T.astype(points.dtype)
        return moved + np.array([*self.shift, 0.0], moved.dtype)


def make_view(*, pose: np.ndarray, width: int) -> View:
    """The view of a pose, for a picture of `width` pixels."""
    rotation = rotation_from_angles(torch.as_tensor(pose[:3], dtype=torch.float64)).numpy()
    scale = float(np.exp(pose[5]))
    return View(
        rotation=rotation,
        scale=scale,
        shift=(float(pose[3]), float(pose[4])),
        pixel=2.0 / width / scale,
    )


class Canvas:
    """A square picture of planar colours, region labels and depths, painted back to front."""

    def __init__(self, *, background: np.ndarray) -> None:
        """Start from a background `3 w w`."""
        self.width = background.shape[1]
        self.colour = background.reshape(3, -1).copy()
        self.region = np.zeros(self.width**2, np.uint8)
        self.depth = np.full(self.width**2, 9.0, np.float32)

    def over(self, index: np.ndarray, alpha: np.ndarray, colour: np.ndarray, region) -> None:
        """Lay colours `3 n` over the pixels `index` with coverage `alpha`."""
        for row, value in zip(self.colour, colour, strict=True):
            old = row[index]
            row[index] = old + alpha * (value - old)
        solid = alpha > 0.5
        self.region[index[solid]] = region if np.isscalar(region) else region[solid]

    def window(self, *, left: float, right: float, top: float, bottom: float) -> "Window | None":
        """The pixels of a rectangle given in half pictures, or None when it is outside."""
        to_px = lambda v: (v + 1.0) * 0.5 * self.width  # noqa: E731
        x0, x1 = max(int(to_px(left)) - 1, 0), min(int(to_px(right)) + 2, self.width)
        y0, y1 = max(int(to_px(top)) - 1, 0), min(int(to_px(bottom)) + 2, self.width)
        if x0 >= x1 or y0 >= y1:
            return None
        xs = ((np.arange(x0, x1, dtype=np.float32) + 0.5) * (2.0 / self.width)) - 1.0
        ys = ((np.arange(y0, y1, dtype=np.float32) + 0.5) * (2.0 / self.width)) - 1.0
        index = (np.arange(y0, y1)[:, None] * self.width + np.arange(x0, x1)).ravel()
        return Window(xs=xs, ys=ys, index=index)


@dataclass(frozen=True, kw_only=True)
class Window:
    """A rectangle of pixels: their centres in half pictures and their flat index."""

    xs: np.ndarray
    ys: np.ndarray
    index: np.ndarray

    def origins(self, view: View) -> list[np.ndarray]:
        """Head coordinates x, y, z of each pixel's point on the plane through the head's centre."""
        px, py = (self.xs - view.shift[0]) / view.scale, (self.ys - view.shift[1]) / view.scale
        out = []
        for axis in range(3):
            along_x, along_y = float(view.rotation[0, axis]), float(view.rotation[1, axis])
            out.append(((py * along_y)[:, None] + (px * along_x)[None, :]).ravel())
        return out


@dataclass(frozen=True, kw_only=True)
class Hit:
    """Where rays meet an ellipsoid: pixel, depth, points `3 n`, unit normals `3 n`, coverage."""

    index: np.ndarray
    depth: np.ndarray
    point: tuple[np.ndarray, np.ndarray, np.ndarray]
    normal: np.ndarray
    alpha: np.ndarray


def hit_ellipsoid(
    canvas: Canvas,
    *,
    view: View,
    centre: tuple[float, float, float],
    radii: tuple[float, float, float],
) -> Hit | None:
    """Rays against an ellipsoid whose axes are the head's."""
    middle = view.project(np.array(centre, np.float64))
    reach = view.scale * np.sqrt(((view.rotation * np.array(radii)) ** 2).sum(axis=1))
    window = canvas.window(
        left=middle[0] - reach[0],
        right=middle[0] + reach[0],
        top=middle[1] - reach[1],
        bottom=middle[1] + reach[1],
    )
    if window is None:
        return None
    origins = window.origins(view)
    ray = [float(v) for v in view.rotation[2]]
    q = [(o - c) * (1.0 / r) for o, c, r in zip(origins, centre, radii, strict=True)]
    d = [v / r for v, r in zip(ray, radii, strict=True)]
    square = d[0] ** 2 + d[1] ** 2 + d[2] ** 2
    across = q[0] * d[0] + q[1] * d[1] + q[2] * d[2]
    inner = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] - 1.0 - across * across * (1.0 / square)
    softness = view.pixel * 2.0 / float(np.mean(radii[:2]))
    alpha = clamp(0.5 - inner * (1.0 / softness), 0.0, 1.0)
    keep = np.flatnonzero(alpha > 0.0)
    if not keep.size:
        return None
    root = np.sqrt(np.maximum(-inner[keep], 0.0) * square)
    depth = (-across[keep] - root) * (1.0 / square)
    point = tuple(o[keep] + depth * v for o, v in zip(origins, ray, strict=True))
    normal = np.stack(
        [(p - c) * (1.0 / r**2) for p, c, r in zip(point, centre, radii, strict=True)]
    )
    normal *= 1.0 / np.sqrt((normal * normal).sum(axis=0))
    return Hit(index=window.index[keep], depth=depth, point=point, normal=normal, alpha=alpha[keep])
