"""Eyes, brows and mouth, drawn on the head's surface in its own frontal coordinates.

Each function changes the colours of the pixels it covers. `x`, `y` are the head coordinates of
the surface under each pixel, `pixel` the size of a picture's pixel in head units (edges are soft
over one), `ray` the viewing direction in head coordinates, along which hidden parts (teeth,
eyeball) shift."""

import math
from dataclasses import dataclass

import numpy as np

from data_prep.synth.identity import Identity
from data_prep.synth.shape import clamp
from data_prep.synth.state import FaceState, MouthShape, brow_height, eye_shape

REGION_EYES, REGION_BROWS, REGION_LIPS, REGION_MOUTH = 3, 4, 5, 6


@dataclass(frozen=True, kw_only=True)
class Patch:
    """Pixels of the head on their way to colour; arrays `n` or `3 n`, written in place.

    Attributes:
        x, y: head coordinates.
        normal, albedo: `3 n`.
        gloss: `n`.
        light: brightness that multiplies the albedo at the end, starts at 1.
        region: label, uint8.
        noise: hair-like noise.
    """

    x: np.ndarray
    y: np.ndarray
    normal: np.ndarray
    albedo: np.ndarray
    gloss: np.ndarray
    light: np.ndarray
    region: np.ndarray
    noise: np.ndarray


def cover(distance: np.ndarray, pixel: float) -> np.ndarray:
    """Coverage of a pixel whose centre lies `distance` inside an edge."""
    return clamp(distance * (1.0 / pixel) + 0.5, 0.0, 1.0)


def _paint(target: np.ndarray, index: np.ndarray, amount: np.ndarray, values) -> None:
    """target[:, index] moves towards `values` (3 scalars or arrays) by `amount`."""
    for row, value in zip(target, values, strict=True):
        old = row[index]
        row[index] = old + amount * (value - old)


def draw_brows(patch: Patch, *, who: Identity, state: FaceState, pixel: float) -> None:
    """Two arched, tapering brows with a hair texture."""
    index = np.flatnonzero((patch.y > -0.42) & (patch.y < -0.04))
    if not index.size:
        return
    x, y = patch.x[index], patch.y[index]
    u = (np.abs(x) - who.eye_spacing - 0.005) / 0.155
    middle = brow_height(who, state, u)
    taper = clamp((1.06 - u) / 0.9, 0.0, 1.0) ** 0.7 * clamp((u + 1.12) / 0.25, 0.0, 1.0)
    half = who.brow_thickness * taper
    soft = max(pixel, 0.012)
    inside = clamp((half - np.abs(y - middle)) / soft + 0.5, 0.0, 1.0)
    inside = inside * clamp((1.0 - np.abs(u)) * 0.155 / soft + 0.5, 0.0, 1.0)
    amount = inside * (0.80 + 0.15 * patch.noise[index])
    _paint(patch.albedo, index, amount, who.brow_colour)
    patch.gloss[index] *= 1.0 - amount
    patch.region[index[inside > 0.5]] = REGION_BROWS


def draw_eyes(
    patch: Patch, *, who: Identity, state: FaceState, pixel: float, glint: tuple[float, float]
) -> None:
    """Lids, lashes, and eyeballs that turn with the gaze.

    Args:
        glint: where on the cornea the light is seen, offset in head x, y over the ball's radius.
    """
    lids = eye_shape(who, state)
    index = np.flatnonzero(
        (np.abs(patch.y) < 0.15) & (np.abs(np.abs(patch.x) - lids.x) < lids.half_width + 0.05)
    )
    if not index.size:
        return
    x, y = patch.x[index], patch.y[index]
    side = np.where(x > 0, np.float32(1), np.float32(-1))
    u = (np.abs(x) - lids.x) / lids.half_width
    clipped = clamp(u, -1.0, 1.0)
    upper, lower = lids.upper(clipped), lids.lower(clipped)
    beside = (1.0 - np.abs(u)) * lids.half_width
    # the closed part of the upper lid: smooth skin over the ball, lit as a ball is
    arch = np.maximum(1.0 - clipped**2, 0.0)
    top = lids.tilt * clipped - (lids.up_open + 0.022) * arch**0.75
    on_lid = cover(np.minimum(np.minimum(y - top, lower + 0.012 - y), beside), pixel)
    _paint(
        patch.albedo,
        index,
        on_lid * 0.55,
        [c * f for c, f in zip(who.skin, (0.93, 0.86, 0.84), strict=True)],
    )
    bulge = clamp((y - lids.tilt * clipped) / (lids.up_open + 0.03), -1.0, 1.0)
    normal_y = patch.normal[1]
    normal_y[index] += on_lid * 0.55 * (bulge - normal_y[index])
    # the fold above the lid
    fold = np.exp(-(((y - top) / (0.012 + 0.3 * pixel)) ** 2)) * cover(beside, 2 * pixel)
    patch.light[index] *= 1.0 - 0.26 * fold
    under = np.exp(-(((y - lower - 0.035) / 0.016) ** 2)) * cover(beside - 0.02, 2 * pixel)
    patch.light[index] *= 1.0 - 0.10 * under
    # eyeball
    inside = np.minimum(np.minimum(y - upper, lower - y), beside)
    opened = cover(inside, pixel) * clamp((lower - upper) / pixel, 0.0, 1.0)
    radius = 0.145
    px, py = (x - side * lids.x) / radius, y / radius
    theta, phi = float(state.gaze[0]), float(state.gaze[1])
    gx, gy = -math.sin(theta) * math.cos(phi), math.sin(phi)
    away = np.sqrt((px - gx) ** 2 + (py - gy) ** 2 + 1e-9) * radius
    size = who.iris_size
    white = [c * (0.92 + 0.08 * max(who.skin)) for c in (0.93, 0.91, 0.90)]
    shade = 1.0 - 0.42 * np.exp(-(np.maximum(y - upper, 0.0) / 0.022)) - 0.18 * clipped**2
    ring = away / size
    tint = clamp(0.72 + 0.55 * ring * (1.0 - ring) + 0.25 * py, 0.3, 1.3)
    tint = tint * (1.0 - 0.6 * clamp((ring - 0.80) / 0.2, 0.0, 1.0))
    in_iris = cover(size - away, pixel)
    in_pupil = cover(0.42 * size - away, pixel)
    spark = np.exp(
        -(((px - gx - glint[0]) ** 2 + (py - gy - glint[1]) ** 2) * (radius / 0.020) ** 2)
    )
    for c in range(3):
        value = white[c] + in_iris * (who.iris[c] * 1.15 * tint - white[c])
        value = value * (1.0 - 0.93 * in_pupil) * shade + 0.75 * spark
        row = patch.albedo[c]
        row[index] += opened * (value - row[index])
    # the ball is lit more evenly than skin
    patch.normal[0][index] *= 1.0 - 0.6 * opened
    patch.normal[1][index] *= 1.0 - 0.6 * opened
    patch.normal[2][index] += opened * (-0.9 - patch.normal[2][index])
    patch.gloss[index] *= 1.0 - opened
    # lashes
    thick = 0.011 + 0.006 * (1.0 - who.masculine)
    lash = np.exp(-(((y - upper + 0.3 * thick) / max(thick, 0.6 * pixel)) ** 2)) * cover(
        beside + 0.01, pixel
    )
    low = 0.35 * np.exp(-(((y - lower) / 0.010) ** 2)) * cover(beside, pixel)
    _paint(patch.albedo, index, clamp(0.85 * lash + low, 0, 0.9), (0.07, 0.05, 0.045))
    patch.region[index[opened > 0.5]] = REGION_EYES


def draw_mouth(
    patch: Patch,
    *,
    who: Identity,
    state: FaceState,
    shape: MouthShape,
    pixel: float,
    ray: tuple[float, float],
) -> None:
    """Lips, and through their gap the teeth, the tongue and the dark of the mouth.

    Args:
        ray: head x and y that the view moves per unit of depth.
    """
    low = shape.y - shape.gap_up - shape.upper - 0.12
    high = shape.y + shape.gap_down + shape.lower + 0.14
    index = np.flatnonzero(
        (patch.y > low) & (patch.y < high) & (np.abs(patch.x) < shape.half_width + 0.07)
    )
    if not index.size:
        return
    x, y = patch.x[index], patch.y[index]
    u = x / shape.half_width
    inside_width = clamp(u, -1.0, 1.0)
    v = y - shape.line(inside_width)
    gap = shape.gap(inside_width)
    arch = np.maximum(1.0 - inside_width**2, 0.0)
    bow = arch**0.8 * (1.0 - 0.22 * np.exp(-((inside_width / 0.16) ** 2)))
    up_in, low_in = -shape.gap_up * gap, shape.gap_down * gap
    up_out, low_out = up_in - shape.upper * bow, low_in + shape.lower * arch**0.6
    beside = (1.0 - np.abs(u)) * shape.half_width
    on_lip = cover(np.minimum(np.minimum(v - up_out, low_out - v), beside + 0.004), pixel)
    # how far down each lip, 0 at its inner edge to 1 at the outer
    is_upper = v < 0.5 * (up_in + low_in)
    across = np.where(
        is_upper, (up_in - v) / (shape.upper + 1e-3), (v - low_in) / (shape.lower + 1e-3)
    )
    across = clamp(across, 0.0, 1.0)
    round_y = np.where(is_upper, 0.75 - 1.35 * across, -0.55 + 1.45 * across)
    for c in range(3):
        value = who.lips[c] * np.where(is_upper, 0.90, 1.04) * (0.80 + 0.28 * np.sqrt(across))
        row = patch.albedo[c]
        row[index] += on_lip * (value * (1.0 + 0.07 * patch.noise[index]) - row[index])
    normal = patch.normal
    normal[1][index] += on_lip * 0.8 * (round_y - normal[1][index])
    normal[0][index] += on_lip * (0.2 + 0.3 * shape.bulge) * inside_width
    length = np.sqrt(sum(row[index] ** 2 for row in normal))
    for row in normal:
        row[index] /= length
    patch.gloss[index] += (
        on_lip * np.where(is_upper, 0.1, 0.9) * np.exp(-(((across - 0.45) / 0.25) ** 2))
    )
    around = np.exp(-((np.maximum(np.maximum(up_out - v, v - low_out), 0.0) / 0.02) ** 2)) * (
        1 - on_lip
    )
    patch.light[index] *= 1.0 - 0.06 * around
    corner = np.exp(-(((np.abs(u) - 1.0) * shape.half_width / 0.022) ** 2) - (v / 0.025) ** 2)
    patch.light[index] *= 1.0 - 0.28 * corner
    patch.region[index[on_lip > 0.5]] = REGION_LIPS

    # the gap: everything in it lies deeper, and shifts as the view turns
    opened = cover(np.minimum(np.minimum(v - up_in, low_in - v), beside), pixel)
    seam = (
        np.exp(-((v / (0.006 + 0.35 * pixel)) ** 2))
        * cover(beside, pixel)
        * min(max(1.5 - float(opened.max()), 0.0), 1.0)
    )
    patch.light[index] *= 1.0 - 0.42 * seam
    keep = np.flatnonzero(opened > 0.0)
    if not keep.size or shape.gap_up + shape.gap_down < 1e-4:
        return
    index, opened, v, x = index[keep], opened[keep], v[keep], x[keep]
    up_in, low_in = up_in[keep], low_in[keep]
    opened = opened * clamp((low_in - up_in) / pixel, 0.0, 1.0)
    near_x, near_v = x + 0.06 * ray[0], v + 0.06 * ray[1]
    dark = clamp((v - up_in) / (shape.gap_up + shape.gap_down + 0.03), 0.0, 1.0)
    colour = [0.20 + 0.06 * dark, 0.06 + 0.02 * dark, 0.06 + 0.02 * dark]
    # tongue
    tip_y = shape.jaw * 0.66 + 0.045 - 0.6 * shape.jaw * float(state.tongue)
    tx, tv = x + 0.10 * ray[0], v + 0.10 * ray[1]
    mound = tip_y + 0.5 * tx**2 / 0.14 - 0.035
    on_tongue = cover(tv - mound, 1.6 * pixel) * cover(0.16 - np.abs(tx), 2 * pixel)
    shine = (
        0.75
        + 0.35 * np.exp(-(((tv - mound - 0.025) / 0.02) ** 2))
        - 0.12 * np.exp(-((tx / 0.012) ** 2))
    )
    for c, value in enumerate((0.66, 0.30, 0.29)):
        colour[c] = colour[c] + on_tongue * (value * shine - colour[c])
    # teeth: the upper row stays with the skull, the lower goes with the jaw
    arc = 1.0 - 0.5 * clamp(np.abs(near_x) / 0.19, 0.0, 1.0) ** 2
    gaps = 0.5 + 0.5 * np.cos(near_x * (2 * np.pi / 0.052))
    shade = (
        arc * (0.88 + 0.12 * np.sqrt(gaps)) * (0.62 + 0.38 * clamp((v - up_in) / 0.03, 0.0, 1.0))
    )
    bottom = 0.022 - 0.35 * near_x**2 + 0.02 * float(state.tuck)
    lower_top = bottom + 0.004 + 0.92 * shape.jaw
    on_upper = cover(bottom - near_v, pixel) * cover(0.185 - np.abs(near_x), pixel)
    on_lower = cover(near_v - lower_top, pixel) * cover(0.16 - np.abs(near_x), pixel)
    for c, value in enumerate((0.95, 0.93, 0.88)):
        colour[c] = colour[c] + on_lower * (0.82 * value * shade - colour[c])
        colour[c] = colour[c] + on_upper * (value * shade - colour[c])
    depth = 1.0 - 0.35 * np.exp(-(np.minimum(v - up_in, low_in - v) / 0.012))
    _paint(patch.albedo, index, opened, [c * depth for c in colour])
    normal[0][index] *= 1.0 - opened
    normal[1][index] += opened * (0.15 - normal[1][index])
    normal[2][index] += opened * (-0.9 - normal[2][index])
    patch.gloss[index] *= 1.0 - opened
    patch.light[index] += opened * (1.0 - patch.light[index])
    patch.region[index[opened > 0.5]] = REGION_MOUTH
