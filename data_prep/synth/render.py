"""Renders a synthetic person by casting a ray a pixel against implicit surfaces, in numpy.

Orthographic view, p_picture = exp(log_scale) R p_head + (tx, ty, 0). Painted back to front with soft
edges: background, hair behind, neck and clothes, head (with eyes, brows and mouth on it), ears, hair.
The head's surface is found by a secant search along each ray, so its parts turn and hide one another.
"""

from dataclasses import dataclass

import numpy as np

from data_prep.synth.canvas import Canvas, View, Window, hit_ellipsoid, make_view
from data_prep.synth.features import Patch, draw_brows, draw_eyes, draw_mouth
from data_prep.synth.hair import draw_hair_mass, draw_hair_shell
from data_prep.synth.identity import Identity
from data_prep.synth.shape import CROWN, GRID, X_RANGE, Y_BOTTOM, Y_TOP, make_tables, smoothstep
from data_prep.synth.state import FaceState, MouthShape, jaw_map, mouth_shape

REGIONS = ("background", "skin", "hair", "eyes", "brows", "lips", "mouth", "clothes")
_SKIN, _CLOTHES = 1, 7
_LOW = 1.25  # the table of heights reaches below the rest chin, for the dropped jaw
_ROWS = 448
_STEPS = 5


@dataclass(frozen=True, kw_only=True)
class Lighting:
    """One distant light, seen from the head's frame, over ambient light from above."""

    direction: tuple[float, float, float]
    halfway: tuple[float, float, float]
    ambient: float
    diffuse: float
    specular: float
    colour: tuple[float, float, float]

    def shade(
        self, *, normal: np.ndarray, albedo, gloss: np.ndarray, light=None
    ) -> list[np.ndarray]:
        """Colours of surfaces with unit normals `3 n`: wrapped Lambert, ambient and a highlight."""
        nx, ny, nz = normal
        lx, ly, lz = self.direction
        hx, hy, hz = self.halfway
        facing = np.maximum((nx * lx + ny * ly + nz * lz) * (1 / 1.2) + (0.2 / 1.2), 0.0)
        shine = np.maximum(nx * hx + ny * hy + nz * hz, 0.0)
        shine *= shine
        shine *= shine
        shine *= shine
        shine *= shine
        brightness = facing * self.diffuse + (self.ambient - 0.12 * self.ambient * ny)
        if light is not None:
            brightness *= light
        shine *= gloss * self.specular
        return [a * brightness * c + shine for a, c in zip(albedo, self.colour, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A picture `h w 3` uint8 and its region labels `h w` (see REGIONS)."""

    image: np.ndarray
    regions: np.ndarray


class Renderer:
    """Draws one person at one size; what is constant for the person is prepared once."""

    def __init__(self, *, who: Identity, size: int, supersample: int | None = None) -> None:
        """Prepare a person.

        Args:
            who: the person.
            size: picture's height and width in pixels.
            supersample: rays per pixel along each axis; by default 2 below 96 pixels, else 1.
        """
        self.who = who
        self.size = size
        self.rays = supersample or (2 if size < 96 else 1)
        self.tables = make_tables(who)
        width = size * self.rays
        across = smoothstep(np.linspace(0, 1, width, dtype=np.float32), -0.2, 1.2)
        corner = np.array(who.background, np.float32).reshape(2, 2, 3)
        down = across[:, None, None]
        rows = corner[0] * (1 - down) + corner[1] * down  # w 2 3
        picture = rows[:, :1] * (1 - across[None, :, None]) + rows[:, 1:] * across[None, :, None]
        self._background = np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32)
        self._height = self.tables.height.ravel()
        self._fine = self.tables.fine.ravel()
        self._heights = np.linspace(Y_TOP, _LOW, _ROWS)

    def render(self, state: FaceState) -> Rendered:
        """One picture of the person in this state."""
        canvas = Canvas(background=self._background)
        view = make_view(pose=np.asarray(state.pose, np.float64), width=canvas.width)
        lighting = self._lighting(view)
        shape = mouth_shape(self.who, state)
        parts = {"who": self.who, "tables": self.tables, "view": view, "lighting": lighting}
        draw_hair_mass(canvas, **parts)
        self._neck(canvas, view=view, jaw=shape.jaw)
        self._head(canvas, view=view, lighting=lighting, state=state, shape=shape)
        self._ears(canvas, view=view, lighting=lighting)
        draw_hair_shell(canvas, **parts)
        return self._finish(canvas)

    def _lighting(self, view: View) -> Lighting:
        light = np.array(self.who.light)
        halfway = light + np.array([0.0, 0.0, -1.0])
        halfway /= np.linalg.norm(halfway)
        return Lighting(
            direction=tuple(float(v) for v in light @ view.rotation),
            halfway=tuple(float(v) for v in halfway @ view.rotation),
            ambient=self.who.ambient,
            diffuse=self.who.diffuse,
            specular=self.who.specular,
            colour=self.who.light_colour,
        )

    def _finish(self, canvas: Canvas) -> Rendered:
        size, rays = self.size, self.rays
        picture = canvas.colour.reshape(3, size, rays, size, rays)
        if rays == 2:
            picture = picture[:, :, 0] + picture[:, :, 1]
            picture = (picture[..., 0] + picture[..., 1]) * np.float32(255 / 4)
        else:
            picture = picture.mean(axis=(2, 4)) * np.float32(255)
        np.clip(picture + np.float32(0.5), 0, 255, out=picture)
        image = np.ascontiguousarray(picture.astype(np.uint8).transpose(1, 2, 0))
        regions = canvas.region.reshape(size, rays, size, rays)[:, rays // 2, :, rays // 2]
        return Rendered(image=image, regions=np.ascontiguousarray(regions))

    def _neck(self, canvas: Canvas, *, view: View, jaw: float) -> None:
        """Neck and shoulders, which stay upright while the head turns."""
        who = self.who
        base = view.project(np.array([0.0, 0.50, 0.22]))
        scale = view.scale
        window = canvas.window(left=-1.0, right=1.0, top=base[1], bottom=1.0)
        if window is None:
            return
        x = (window.xs[None, :] - base[0]) / scale
        y = (window.ys[:, None] - base[1]) / scale
        half = 0.30 + 0.05 * who.masculine + 0.5 * np.maximum(y - 0.42, 0.0) ** 2
        across = x / half
        lx, _, lz = who.light
        root = np.sqrt(np.maximum(1.0 - across**2, 0.0))
        facing = np.maximum(across * lx - root * lz, 0.0)
        shadow = 1.0 - 0.45 * np.exp(-np.maximum(y - 0.12 - jaw, 0.0) / 0.16)
        bright = (who.ambient + 0.75 * who.diffuse * facing) * shadow * (0.65 + 0.35 * root)
        alpha = np.clip((half - np.abs(x)) / view.pixel + 0.5, 0.0, 1.0)
        for row, c, tint in zip(canvas.colour, who.skin, who.light_colour, strict=True):
            old = row[window.index]
            row[window.index] = old + alpha.ravel() * ((c * tint * bright).ravel() - old)
        canvas.region[window.index[alpha.ravel() > 0.5]] = _CLOTHES
        # clothes: a neckline, shoulders that fall away
        edge = (
            0.46
            + 0.14 * np.sqrt(np.maximum(1.0 - (x / 0.42) ** 2, 0.0))
            + 0.22 * np.maximum(np.abs(x) - 0.36, 0.0)
        )
        collar = np.clip((y - edge) / view.pixel + 0.5, 0.0, 1.0)
        fall = np.clip(x / 1.2, -1, 1)
        bright = who.ambient + 0.7 * who.diffuse * np.maximum(fall * lx - lz * 0.8, 0.0)
        bright = bright * (0.85 + 0.15 * smoothstep(y - edge, 0.0, 0.08))
        for row, c in zip(canvas.colour, who.clothes, strict=True):
            old = row[window.index]
            row[window.index] = old + collar.ravel() * ((c * bright).ravel() - old)
        canvas.region[window.index[collar.ravel() > 0.5]] = _CLOTHES

    def _ears(self, canvas: Canvas, *, view: View, lighting: Lighting) -> None:
        who = self.who
        for side in (-1.0, 1.0):
            centre = (side * (who.face_width + 0.035), 0.06, 0.10)
            radii = (0.055, who.ear_size, 0.10)
            hit = hit_ellipsoid(canvas, view=view, centre=centre, radii=radii)
            if hit is None:
                continue
            keep = np.flatnonzero(hit.depth < canvas.depth[hit.index])
            if not keep.size:
                continue
            x, y, z = (p[keep] for p in hit.point)
            bowl = ((y - 0.04) / (0.62 * who.ear_size)) ** 2 + ((z - 0.02) / 0.07) ** 2
            shade = 1.0 - 0.32 * np.exp(-(bowl**2))
            albedo = [c * shade * f for c, f in zip(who.skin, (1.0, 0.92, 0.90), strict=True)]
            gloss = np.full_like(shade, 0.3)
            colour = lighting.shade(normal=hit.normal[:, keep], albedo=albedo, gloss=gloss)
            canvas.over(hit.index[keep], hit.alpha[keep], colour, _SKIN)

    def _head(
        self, canvas: Canvas, *, view: View, lighting: Lighting, state: FaceState, shape: MouthShape
    ) -> None:
        corners = np.array(
            [[sx, sy, sz] for sx in (-0.66, 0.66) for sy in (CROWN, 1.0) for sz in (-0.6, 0.6)]
        )
        reach = view.project(corners)
        window = canvas.window(
            left=reach[:, 0].min(),
            right=reach[:, 0].max(),
            top=reach[:, 1].min(),
            bottom=reach[:, 1].max(),
        )
        if window is None:
            return
        rest = np.interp(self._heights, jaw_map(self.who, shape.jaw, self._heights), self._heights)
        found = self._search(window, view=view, rest=rest)
        index, alpha, depth, x, y, z, cell, back = found
        if not index.size:
            return
        rows = self.tables.surface.take(cell, axis=0)
        columns = np.ascontiguousarray(rows.T)
        normal = columns[:3]
        normal[2] *= back
        patch = Patch(
            x=x,
            y=y,
            normal=normal,
            albedo=columns[3:6],
            gloss=columns[6],
            light=np.ones_like(x),
            region=np.full(index.size, _SKIN, np.uint8),
            noise=self._fine.take(cell),
        )
        ray = [float(v) for v in view.rotation[2]]
        who = self.who
        draw_brows(patch, who=who, state=state, pixel=view.pixel)
        half = lighting.halfway
        draw_eyes(
            patch, who=who, state=state, pixel=view.pixel, glint=(0.55 * half[0], 0.55 * half[1])
        )
        slant = (ray[0] / ray[2], ray[1] / ray[2])
        draw_mouth(patch, who=who, state=state, shape=shape, pixel=view.pixel, ray=slant)
        colour = lighting.shade(
            normal=normal, albedo=patch.albedo, gloss=patch.gloss, light=patch.light
        )
        canvas.over(index, alpha, colour, patch.region)
        canvas.depth[index[alpha > 0.5]] = depth[alpha > 0.5]

    def _search(self, window: Window, *, view: View, rest: np.ndarray):
        """Meet the head's surface along each ray.

        With H, a, c, z0 looked up at the last point, the ray meets an ellipse in closed form; the
        point moves there, by secant steps once two are known.

        Returns:
            pixel index, coverage, depth, head x, y, z, table cell, and +1 in front or -1 behind.
        """
        columns = [
            np.interp(rest, np.linspace(Y_TOP, Y_BOTTOM, GRID), self.tables.profile[:, i])
            for i in range(3)
        ]
        inverse_a = (1.0 / columns[0] ** 2).astype(np.float32)
        inverse_c = (1.0 / columns[1] ** 2).astype(np.float32)
        centre = columns[2].astype(np.float32)
        row_of = (
            np.clip((rest - Y_TOP) / (Y_BOTTOM - Y_TOP) * (GRID - 1) + 0.5, 0, GRID - 1).astype(
                np.int32
            )
            * GRID
        )
        x0, y0, z0 = window.origins(view)
        dx, dy, dz = (float(v) for v in view.rotation[2])
        scale_y, scale_x = (_ROWS - 1) / (_LOW - Y_TOP), (GRID - 1) / (2 * X_RANGE)

        def meet(k):
            row = ((y0 + k * dy - Y_TOP) * scale_y + 0.5).astype(np.int32)
            np.clip(row, 0, _ROWS - 1, out=row)
            column = ((x0 + k * dx + X_RANGE) * scale_x + 0.5).astype(np.int32)
            np.clip(column, 0, GRID - 1, out=column)
            cell = row_of.take(row) + column
            ia, ic = inverse_a.take(row), inverse_c.take(row)
            w0 = z0 - centre.take(row) - self._height.take(cell)
            square = ia * (dx * dx) + ic * (dz * dz)
            xa, wc = x0 * ia, w0 * ic
            across = xa * dx + wc * dz
            across /= square
            inner = x0 * xa + w0 * wc - 1.0 - across * across * square
            met = -across - np.sqrt(np.maximum(-inner, 0.0) / square)
            return met, inner, cell, w0

        k = np.full_like(x0, -0.55)
        met = meet(k)[0]
        residual = met - k
        step = residual
        for _ in range(_STEPS - 2):
            last, before = residual, step
            k = k + step
            residual = meet(k)[0] - k
            change = last - residual
            step = np.where(
                np.abs(change) > 0.05 * np.abs(before),
                residual * before / np.where(change == 0, 1, change),
                residual,
            )
            step = np.clip(step, -0.3, 0.3)
        k = k + step
        _, inner, cell, w0 = meet(k)
        high = len(window.ys)
        field = np.minimum(inner, 0.3).reshape(high, -1)
        slope = np.zeros_like(field)
        slope[:, 1:] += np.abs(field[:, 1:] - field[:, :-1])
        slope[1:] += np.abs(field[1:] - field[:-1])
        alpha = np.clip(0.5 - (field / np.maximum(slope, 1e-3)).ravel(), 0.0, 1.0)
        keep = np.flatnonzero(alpha > 0.0)
        depth = k[keep]
        back = np.where(w0[keep] + depth * dz > 0, np.float32(-1), np.float32(1))
        x, y, z = (o[keep] + depth * d for o, d in ((x0, dx), (y0, dy), (z0, dz)))
        return window.index[keep], alpha[keep], depth, x, y, z, cell[keep], back
