"""Hair: a shell over the skull cut by a hairline, and a mass behind the neck for long styles."""

from dataclasses import dataclass

import numpy as np

from data_prep.synth.canvas import Canvas, View, hit_ellipsoid
from data_prep.synth.identity import Identity
from data_prep.synth.shape import GRID, Y_BOTTOM, Y_TOP, HeadTables, clamp, smoothstep

REGION_HAIR = 2


@dataclass(frozen=True, kw_only=True)
class HairStyle:
    """Shell radii beyond the skull, where its edges run, and the mass behind (0 = none).

    `front` is the line's height over the nose, `temple` over the temples, `side` before the ears,
    `back` behind them; `sweep` tilts the front line towards the parting.
    """

    thickness: float
    front: float
    temple: float
    side: float
    back: float
    sweep: float
    mass: tuple[float, float] | None


def hair_style(who: Identity) -> HairStyle | None:
    """The style's measures, or None for a bald head."""
    line = who.hairline
    styles = {
        "short": HairStyle(
            thickness=0.045,
            front=line,
            temple=line + 0.16,
            side=0.02,
            back=0.30,
            sweep=0.0,
            mass=None,
        ),
        "fringe": HairStyle(
            thickness=0.075, front=-0.25, temple=-0.17, side=0.14, back=0.42, sweep=0.03, mass=None
        ),
        "parted": HairStyle(
            thickness=0.075,
            front=line - 0.02,
            temple=line + 0.26,
            side=0.10,
            back=0.35,
            sweep=0.16,
            mass=None,
        ),
        "long": HairStyle(
            thickness=0.085,
            front=line,
            temple=line + 0.33,
            side=0.55,
            back=0.8,
            sweep=0.1,
            mass=(0.70, 1.25),
        ),
        "bob": HairStyle(
            thickness=0.095,
            front=-0.27,
            temple=-0.14,
            side=0.5,
            back=0.62,
            sweep=0.02,
            mass=(0.74, 0.66),
        ),
        "afro": HairStyle(
            thickness=0.125,
            front=line + 0.03,
            temple=line + 0.22,
            side=0.08,
            back=0.32,
            sweep=0.0,
            mass=None,
        ),
    }
    return styles.get(who.hair_style)


def _strands(who: Identity, tables: HeadTables, point, centre_y: float) -> np.ndarray:
    """Brightness of strands that fan out from the parting, about 0.75 to 1.25."""
    x, y, z = point
    from_part = x - who.hair_part * 0.8
    fan = from_part / (0.35 + np.maximum(y - centre_y + 0.6, 0.0))
    column = ((clamp(fan * 0.55, -1, 1) * 0.5 + 0.5) * (GRID - 1)).astype(np.int32)
    turn = clamp((y + 0.3 * z - Y_TOP) / (Y_BOTTOM - Y_TOP), 0.0, 1.0)
    row = (turn * (GRID - 1)).astype(np.int32)
    amount = 0.06 if who.hair_style == "afro" else 0.16
    return 1.0 + amount * tables.fine.ravel().take(row * GRID + column)


def draw_hair_mass(
    canvas: Canvas, *, who: Identity, tables: HeadTables, view: View, lighting
) -> None:
    """Long hair behind the head and neck, painted before them."""
    style = hair_style(who)
    if style is None or style.mass is None:
        return
    width, length = style.mass
    width = (width + 0.03) * max(who.hair_volume, 1.0) * (who.face_width / 0.57)
    hit = hit_ellipsoid(
        canvas,
        view=view,
        centre=(0.0, -0.2 + 0.4 * length, 0.12),
        radii=(width, 0.25 + 0.62 * length, 0.46),
    )
    if hit is None:
        return
    shade = _strands(who, tables, hit.point, -0.6) * (
        0.80 - 0.25 * smoothstep(hit.point[1], 0.1, 0.8)
    )
    near = 1.0 - 0.45 * np.exp(-((hit.point[0] / 0.5) ** 4)) * smoothstep(hit.point[1], 0.1, 0.5)
    albedo = [c * shade * near for c in who.hair]
    colour = lighting.shade(normal=hit.normal, albedo=albedo, gloss=np.full_like(hit.depth, 0.35))
    canvas.over(hit.index, hit.alpha, colour, REGION_HAIR)


def draw_hair_shell(
    canvas: Canvas, *, who: Identity, tables: HeadTables, view: View, lighting
) -> None:
    """The hair on the skull, with its shadow's edge on the forehead."""
    style = hair_style(who)
    if style is None:
        return
    thick = style.thickness * who.hair_volume
    centre = (0.0, -0.20, 0.05)
    radii = (0.60 + thick * 0.85, 0.64 + thick, 0.72 + thick * 0.8)
    if style.side > 0.3:  # curtains beside the face need a shell that reaches further down
        centre = (0.0, -0.02, 0.05)
        radii = (0.60 + thick * 0.8, 0.82 + thick, 0.72 + thick * 0.8)
    hit = hit_ellipsoid(canvas, view=view, centre=centre, radii=radii)
    if hit is None:
        return
    x, y, z = hit.point
    side = np.abs(x)
    out = clamp(side / 0.52, 0.0, 1.0)
    swept = style.sweep * np.minimum(np.abs(x - who.hair_part) / 0.5, 1.2) ** 0.8
    front = style.front + swept + (style.temple - style.front) * smoothstep(out, 0.45, 1.0)
    beside = smoothstep(side, 0.46, 0.585) if style.side <= 0.3 else smoothstep(side, 0.40, 0.50)
    line = front + (style.side - front) * beside * smoothstep(z, -0.42, -0.22)
    line = line + (style.back - line) * smoothstep(z, -0.02, 0.12)
    fan = _strands(who, tables, hit.point, -0.75)
    rough = 0.05 if style.thickness < 0.06 else 0.10
    edge = line - y + rough * (fan - 1.0)
    alpha = hit.alpha * clamp(edge / max(view.pixel * 1.2, 0.02) + 0.5, 0.0, 1.0)
    if style.mass is None:  # no thin rim of the far side beside the face
        ray = [float(v) for v in view.rotation[2]]
        facing = -sum(n * r for n, r in zip(hit.normal, ray, strict=True))
        alpha = alpha * (1.0 - smoothstep(y, -0.25, -0.1) * (1.0 - smoothstep(facing, 0.1, 0.3)))
    alpha = alpha * (hit.depth < canvas.depth[hit.index] + 0.03)
    shadow = (
        0.35
        * np.exp(-np.maximum(-edge, 0.0) / 0.05)
        * (hit.alpha - alpha)
        * ((edge < 0) & (z < -0.25))
    )
    canvas.colour[:, hit.index] *= 1.0 - shadow * (canvas.region[hit.index] != 0)
    keep = np.flatnonzero(alpha > 0.0)
    if not keep.size:
        return
    shade = fan[keep] * (1.0 - 0.35 * np.exp(-np.maximum(edge[keep], 0.0) / 0.05))
    if style.sweep > 0.05:
        shade = shade * (
            1.0 - 0.4 * np.exp(-(((x[keep] - who.hair_part) / 0.02) ** 2)) * (z[keep] < 0.1)
        )
    albedo = [c * shade for c in who.hair]
    normal = hit.normal[:, keep]
    gloss = (
        0.9 * fan[keep] ** 3 if who.hair_style != "afro" else np.full(keep.size, 0.1, np.float32)
    )
    colour = lighting.shade(normal=normal, albedo=albedo, gloss=gloss)
    canvas.over(hit.index[keep], alpha[keep], colour, REGION_HAIR)
