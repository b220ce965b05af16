"""Renders a synthetic person by casting a ray a pixel against implicit surfaces, in numpy.

Orthographic view, p_picture = exp(log_scale) R p_head + (tx, ty, 0). Painted back to front with
soft edges: background, hair behind, neck and clothes, head (with eyes, brows and mouth on it),
ears, hair. The head's surface is found by a secant search along each ray, so its parts turn and
hide one another."""

from dataclasses import dataclass

import numpy as np

from data_prep.synth.canvas import Canvas, View, hit_ellipsoid, make_view
from data_prep.synth.creases import draw_creases
from data_prep.synth.features import Patch, draw_brows, draw_eyes, draw_mouth
from data_prep.synth.hair import draw_hair_mass, draw_hair_shell
from data_prep.synth.identity import Identity
from data_prep.synth.shape import CROWN, make_tables, smoothstep
from data_prep.synth.state import FaceState, MouthShape, jaw_map, mouth_shape
from data_prep.synth.surface import HEIGHTS, hit_head

REGIONS = ("background", "skin", "hair", "eyes", "brows", "lips", "mouth", "clothes")
_SKIN, _CLOTHES = 1, 7


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
        self._fine = self.tables.fine.ravel()

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
        base = [float(v) for v in view.project(np.array([0.0, 0.50, 0.22]))]
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
        rest = np.interp(HEIGHTS, jaw_map(self.who, shape.jaw, HEIGHTS), HEIGHTS)
        hit = hit_head(window, view=view, tables=self.tables, rest=rest)
        if not hit.index.size:
            return
        columns = np.ascontiguousarray(self.tables.surface.take(hit.cell, axis=0).T)
        normal = columns[:3]
        normal[2] *= hit.facing
        patch = Patch(
            x=hit.point[0],
            y=hit.point[1],
            normal=normal,
            albedo=columns[3:6],
            gloss=columns[6],
            light=np.ones_like(hit.depth),
            region=np.full(hit.index.size, _SKIN, np.uint8),
            noise=self._fine.take(hit.cell),
        )
        ray = [float(v) for v in view.rotation[2]]
        who = self.who
        draw_creases(patch, who=who, emotion=state.emotion, pixel=view.pixel)
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
        canvas.over(hit.index, hit.alpha, colour, patch.region)
        solid = hit.alpha > 0.5
        canvas.depth[hit.index[solid]] = hit.depth[solid]
