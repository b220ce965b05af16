"""Where each ray of a picture meets the head: a secant search on the surface of `shape`."""

from dataclasses import dataclass

import numpy as np

from data_prep.synth.canvas import View, Window
from data_prep.synth.shape import (
    CRANIUM_RADII,
    CRANIUM_Y,
    CRANIUM_Z,
    GRID,
    X_RANGE,
    Y_BOTTOM,
    Y_TOP,
    HeadTables,
    clamp,
)

_LOWEST = 1.25  # the heights reach below the rest chin, for the dropped jaw
_ROWS = 448
_STEPS = 3
HEIGHTS = np.linspace(Y_TOP, _LOWEST, _ROWS)


@dataclass(frozen=True, kw_only=True)
class HeadHit:
    """Pixels that the head covers.

    Attributes:
        index: flat pixel.
        alpha: coverage.
        depth: along the ray, head units.
        point: head coordinates, three arrays.
        cell: flat index into the head's tables, at rest.
        facing: +1 on the front half, -1 on the back.
    """

    index: np.ndarray
    alpha: np.ndarray
    depth: np.ndarray
    point: tuple[np.ndarray, np.ndarray, np.ndarray]
    cell: np.ndarray
    facing: np.ndarray


def _cranium(origin: list[np.ndarray], ray: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Depth, and least F, of each ray on the ellipsoid that is the upper part of the head."""
    middle = (0.0, CRANIUM_Y, CRANIUM_Z)
    q = [(o - m) * (1.0 / r) for o, m, r in zip(origin, middle, CRANIUM_RADII, strict=True)]
    d = [v / r for v, r in zip(ray, CRANIUM_RADII, strict=True)]
    square = sum(v * v for v in d)
    across = (q[0] * d[0] + q[1] * d[1] + q[2] * d[2]) * (1.0 / square)
    least = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] - 1.0 - across * across * square
    return -across - np.sqrt(np.maximum(-least, 0.0) * (1.0 / square)), least


class _Rows:
    """The surface with the jaw where it is now, as tables over present heights."""

    def __init__(self, tables: HeadTables, *, rest: np.ndarray) -> None:
        """Look up the rest tables at `rest`, the rest height of each present height of HEIGHTS."""
        grid = np.linspace(Y_TOP, Y_BOTTOM, GRID)
        a, c, middle, beyond = (np.interp(rest, grid, column) for column in tables.profile.T)
        self.inverse_a = (1.0 / a**2).astype(np.float32)
        self.inverse_c = (1.0 / c**2).astype(np.float32)
        self.middle = middle.astype(np.float32)
        self.beyond = (60.0 * beyond).astype(np.float32)
        at = (rest - Y_TOP) / (Y_BOTTOM - Y_TOP) * (GRID - 1) + 0.5
        self.start = np.clip(at, 0, GRID - 1).astype(np.int32) * np.int32(GRID)
        self.height = tables.height.reshape(-1)

    def meet(self, origin: list[np.ndarray], ray: list[float], k: np.ndarray):
        """With the tables looked up at depth k, the ray meets an ellipse in closed form.

        Returns:
            depth of that meeting, least F along the ray, table cell, z - z0 - H at k = 0.
        """
        x0, y0, z0 = origin
        dx, dy, dz = ray
        row = y0 + k * dy
        row -= Y_TOP
        row *= (_ROWS - 1) / (_LOWEST - Y_TOP)
        row = np.minimum(np.maximum(row, 0), _ROWS - 1).astype(np.int32)
        column = x0 + k * dx
        column += X_RANGE
        column *= (GRID - 1) / (2 * X_RANGE)
        column = np.minimum(np.maximum(column, 0), GRID - 1).astype(np.int32)
        cell = self.start.take(row) + column
        ia, ic = self.inverse_a.take(row), self.inverse_c.take(row)
        w0 = z0 - self.middle.take(row)
        w0 -= self.height.take(cell)
        square = ia * (dx * dx) + ic * (dz * dz)
        xa, wc = x0 * ia, w0 * ic
        across = (xa * dx + wc * dz) / square
        least = x0 * xa + w0 * wc - 1.0 - across * across * square
        met = -across - np.sqrt(np.maximum(-least, 0.0) / square)
        least += self.beyond.take(row)
        return met, least, cell, w0


def _halved(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Every second pixel along both axes, flat."""
    return values.reshape(shape)[::2, ::2].ravel()


def _doubled(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Back from every second pixel to all of them, flat."""
    rows, columns = shape
    small = values.reshape((rows + 1) // 2, (columns + 1) // 2)
    return small.repeat(2, axis=0)[:rows].repeat(2, axis=1)[:, :columns].ravel()


def _settle(rows: _Rows, origin: list[np.ndarray], ray: list[float], top: np.ndarray) -> np.ndarray:
    """Depths by fixed-point steps k -> meeting(k), sped up by the secant rule."""
    k = np.minimum(top, -0.2)
    step = residual = rows.meet(origin, ray, k)[0] - k
    for _ in range(_STEPS):
        last, before = residual, step
        k = k + step
        residual = rows.meet(origin, ray, k)[0] - k
        change = last - residual
        is_steep = np.abs(change) > 0.25 * np.abs(before)
        step = np.where(is_steep, residual * before / np.where(is_steep, change, 1), residual)
        np.minimum(np.maximum(step, -0.25, out=step), 0.25, out=step)
    return k + step


def _march(rows: _Rows, origin: list[np.ndarray], ray: list[float], near: np.ndarray) -> np.ndarray:
    """First depth at which a ray passes the surface, by even steps about `near` and interpolation.

    For the few rays that graze a steep part, such as the nose, where fixed-point steps wander.
    """
    tried = near + np.linspace(-0.28, 0.28, 24, dtype=np.float32)[:, None]
    ahead = rows.meet(origin, ray, tried)[0] - tried
    first = np.argmax(ahead[1:] <= 0.0, axis=0)
    pixel = np.arange(near.size)
    before, after = ahead[first, pixel], ahead[first + 1, pixel]
    share = before / np.maximum(before - after, 1e-6)
    found = tried[first, pixel] + np.clip(share, 0.0, 1.0) * (tried[1, 0] - tried[0, 0])
    return np.where((before > 0.0) & (after <= 0.0), found, near)


def hit_head(window: Window, *, view: View, tables: HeadTables, rest: np.ndarray) -> HeadHit:
    """Search the head's surface along each ray of a window.

    Settled on every second pixel first, then stepped on all, then marched where that has not met;
    the cranium, where rays graze, is an ellipsoid in closed form.

    Args:
        window: pixels to cast.
        view: where the head is.
        tables: the person's surface.
        rest: rest height of each of HEIGHTS.
    """
    origin, ray = window.origins(view), [float(v) for v in view.rotation[2]]
    rows = _Rows(tables, rest=rest)
    top, top_least = _cranium(origin, ray)
    shape = (len(window.ys), len(window.xs))
    k = _settle(rows, [_halved(axis, shape) for axis in origin], ray, _halved(top, shape))
    k = _doubled(k, shape)
    k = rows.meet(origin, ray, k)[0]
    is_top = origin[1] + top * ray[1] < CRANIUM_Y - 0.08
    k = np.where(is_top, top, k)
    met, least, cell, w0 = rows.meet(origin, ray, k)
    lost = np.flatnonzero((np.abs(met - k) > 0.4 * view.pixel) & (least < 0.02) & ~is_top)
    if lost.size:
        k[lost] = _march(rows, [axis[lost] for axis in origin], ray, k[lost])
        _, least[lost], cell[lost], w0[lost] = rows.meet(
            [axis[lost] for axis in origin], ray, k[lost]
        )
    least = np.where(is_top, top_least, least)
    field = np.minimum(least, 0.3).reshape(len(window.ys), -1)
    slope = np.full_like(field, 1e-3)
    slope[:, 1:] += np.abs(field[:, 1:] - field[:, :-1])
    slope[1:] += np.abs(field[1:] - field[:-1])
    alpha = clamp(0.5 - (field / slope).ravel(), 0.0, 1.0)
    keep = np.flatnonzero(alpha > 0.0)
    depth = k[keep]
    facing = np.where(w0[keep] + depth * ray[2] > 0, np.float32(-1), np.float32(1))
    return HeadHit(
        index=window.index[keep],
        alpha=alpha[keep],
        depth=depth,
        point=tuple(o[keep] + depth * d for o, d in zip(origin, ray, strict=True)),
        cell=cell[keep],
        facing=facing,
    )
