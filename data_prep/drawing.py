"""Labels drawn on crops, for people who check them: landmarks, head axes, gaze, blink and mouth.

Everything is drawn where the labels say it is, by the conventions of `vasa.geometry.rotation` and
`vasa.data.schema`; what is not finite is left out.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont

from vasa.data.schema import FaceLabels
from vasa.geometry.rotation import rotation_from_angles

TILE_PX = 192
ACROSS_UNITS, NOSE_UNITS, GAZE_UNITS = 0.5, 0.9, 0.6
"""Lengths of the drawn head axes and of the gaze, in head units (1 = half a crop at scale 1)."""
EYES = (slice(36, 42), slice(42, 48))
"""The iBUG points of the eyes, picture left first."""

POINT, X_AXIS, Y_AXIS, NOSE_AXIS, GAZE = (
    (240, 240, 240),
    (235, 64, 52),
    (46, 184, 74),
    (66, 135, 245),
    (255, 214, 10),
)
LEGEND = (
    ("landmarks", POINT),
    ("head x (to picture right)", X_AXIS),
    ("head y (down)", Y_AXIS),
    ("out of the face (-z)", NOSE_AXIS),
    ("gaze", GAZE),
)
PAPER, INK, PALE, ALARM = (255, 255, 255), (40, 44, 52), (110, 116, 126), (200, 30, 30)
_HALO = (0, 0, 0, 150)
_RAYS = 4
"""Overlays are drawn so much larger and averaged: smooth lines at places between pixels."""
_GAP_PX, _FONT_PX, _LINE_PX, _LEGEND_PX = 8, 12, 15, 26


@dataclass(frozen=True, kw_only=True)
class FrameLabels:
    """The labels of one frame; units as in `FaceLabels`.

    Attributes:
        landmarks: pixels of the crop (edge coordinates), `68 2`.
        pose: yaw, pitch, roll (rad), tx, ty (half pictures), log scale, `6`.
        gaze: theta, phi (rad) relative to the head, `2`.
        blink: 0 open to 1 closed.
        mouth_opening: inner-lip gap over the outer-eye-corner distance.
        is_valid: whether the labels can be trusted.
    """

    landmarks: np.ndarray
    pose: np.ndarray
    gaze: np.ndarray
    blink: float
    mouth_opening: float
    is_valid: bool


def frame_labels(labels: FaceLabels, frame: int) -> FrameLabels:
    """The labels of one frame of a clip."""
    return FrameLabels(
        landmarks=labels.landmarks[frame],
        pose=labels.pose[frame],
        gaze=labels.gaze[frame],
        blink=float(labels.blink[frame]),
        mouth_opening=float(labels.mouth[frame, 0]),
        is_valid=bool(labels.valid[frame]),
    )


@dataclass(frozen=True, kw_only=True)
class HeadAxes:
    """Where the head's axes end in a picture, each `2`, pixels (edge coordinates).

    Attributes:
        origin: the head's origin, between the ears at the height of the nose bridge.
        x: end of the axis to picture right.
        y: end of the axis down.
        nose: end of the axis out of the face, -z.
    """

    origin: np.ndarray
    x: np.ndarray
    y: np.ndarray
    nose: np.ndarray


def head_axes(pose: np.ndarray, *, size: int) -> HeadAxes:
    """The head's axes as a pose label puts them into a picture of `size` pixels.

    p_picture = exp(log scale) R p_head + (tx, ty), in half pictures, seen without perspective.
    """
    ends = np.diag([ACROSS_UNITS, ACROSS_UNITS, -NOSE_UNITS])
    origin = (1 + pose[3:5]) * size / 2
    x, y, nose = origin + ends @ _to_picture(pose, size)
    return HeadAxes(origin=origin, x=x, y=y, nose=nose)


def gaze_ray(pose: np.ndarray, gaze: np.ndarray, *, size: int) -> np.ndarray:
    """How far the gaze leads across a picture, `2` pixels: from an eye to the ray's end.

    The eye looks along R(pose) R_y(theta) R_x(phi) (0, 0, -1): theta turns as yaw, phi as pitch.
    """
    turn = rotation_from_angles(torch.tensor([gaze[0], gaze[1], 0.0], dtype=torch.float64))
    return turn.numpy() @ np.array([0, 0, -GAZE_UNITS]) @ _to_picture(pose, size)


def _to_picture(pose: np.ndarray, size: int) -> np.ndarray:
    """`3 2` that takes a row of head coordinates to pixels, without the shift."""
    rotation = rotation_from_angles(torch.as_tensor(np.asarray(pose[:3], np.float64))).numpy()
    return np.exp(min(float(pose[5]), 3.0)) * size / 2 * rotation[:2].T


def draw_labels(crop: np.ndarray, labels: FrameLabels, *, size: int = TILE_PX) -> np.ndarray:
    """A crop enlarged (or reduced) to a readable size, with its labels drawn on it.

    Args:
        crop: RGB, uint8 `h w 3`, square.
        labels: of this frame.
        size: side of the result in pixels.

    Returns:
        RGB, uint8 `size size 3`.

    Raises:
        ValueError: the crop is not square.
    """
    if crop.ndim != 3 or crop.shape[0] != crop.shape[1] or crop.shape[2] != 3:
        raise ValueError(f"expected a square RGB crop `h h 3`, got {crop.shape}")
    picture = Image.fromarray(crop).resize((size, size), Image.Resampling.BICUBIC)
    pen = _Pen(size)
    points = np.asarray(labels.landmarks, np.float64) * (size / len(crop))
    pose, gaze = np.asarray(labels.pose, np.float64), np.asarray(labels.gaze, np.float64)
    if np.isfinite(pose).all():
        axes = head_axes(pose, size=size)
        for end, colour in ((axes.x, X_AXIS), (axes.y, Y_AXIS), (axes.nose, NOSE_AXIS)):
            pen.line(axes.origin, end, colour, width=size / 80)
        pen.dot(axes.nose, NOSE_AXIS, radius=size / 60)
    for point in points:
        pen.dot(point, POINT, radius=size / 190)
    if np.isfinite(pose).all() and np.isfinite(gaze).all():
        ray = gaze_ray(pose, gaze, size=size)
        for eye in EYES:
            start = points[eye].mean(axis=0)
            pen.line(start, start + ray, GAZE, width=size / 100)
            pen.dot(start + ray, GAZE, radius=size / 75)
    if not labels.is_valid:
        pen.frame(ALARM, width=size / 48)
    return np.asarray(pen.over(picture))


class _Pen:
    """Draws in a picture's pixels (edge coordinates) with halos that keep it visible on all."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.sheet = Image.new("RGBA", (size * _RAYS, size * _RAYS))
        self.draw = ImageDraw.Draw(self.sheet)

    def line(self, start: np.ndarray, end: np.ndarray, colour, *, width: float) -> None:
        places = np.concatenate((start, end))
        if np.isfinite(places).all():
            ends = tuple(self._place(places))
            for extra, ink in ((2, _HALO), (0, colour)):
                self.draw.line(ends, fill=ink, width=round(width * _RAYS) + extra * _RAYS // 2)

    def dot(self, at: np.ndarray, colour, *, radius: float) -> None:
        if np.isfinite(at).all():
            x, y = self._place(np.asarray(at))
            for extra, ink in ((0.5, _HALO), (0, colour)):
                r = (radius + extra) * _RAYS
                self.draw.ellipse((x - r, y - r, x + r, y + r), fill=ink)

    def frame(self, colour, *, width: float) -> None:
        last = self.size * _RAYS - 1
        self.draw.rectangle((0, 0, last, last), outline=colour, width=round(width * _RAYS))

    def over(self, picture: Image.Image) -> Image.Image:
        small = self.sheet.resize((self.size, self.size), Image.Resampling.BOX)
        return Image.alpha_composite(picture.convert("RGBA"), small).convert("RGB")

    def _place(self, at: np.ndarray) -> list[float]:
        """Places in the enlarged overlay: pixel i covers edge coordinates i to i + 1."""
        far = 8 * self.size
        return [float(value) for value in np.clip(at, -far, far) * _RAYS - 0.5]


def plain(text: str) -> str:
    """A stranger's text on one line: no control or direction marks, nothing that cannot be written.

    Unpaired surrogates (names that are not UTF-8) become question marks.
    """
    whole = text.encode("utf-8", "replace").decode()
    kept = (" " if unicodedata.category(mark)[0] in "CZ" else mark for mark in whole)
    return " ".join("".join(kept).split())


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A picture of a contact sheet.

    Attributes:
        picture: RGB, uint8 `h w 3`.
        title: the line under it; cut to the tile's width.
        note: a second, paler line.
        is_alarm: whether the note is a warning.
    """

    picture: np.ndarray
    title: str
    note: str = ""
    is_alarm: bool = False


def contact_sheet(tiles: Sequence[Tile], *, columns: int = 6) -> np.ndarray:
    """Pictures of one size in rows, with their lines below and the colours' meaning above.

    Args:
        tiles: at least one.
        columns: tiles a row, at most.

    Returns:
        RGB, uint8 `h w 3`.

    Raises:
        ValueError: no tile, or pictures of several sizes.
    """
    if len({tile.picture.shape for tile in tiles}) != 1:
        raise ValueError(f"expected pictures of one size, got {len(tiles)} tiles")
    height, width, _ = tiles[0].picture.shape
    columns = min(columns, len(tiles))
    step_x, step_y = width + _GAP_PX, height + 2 * _LINE_PX + _GAP_PX
    rows = -(-len(tiles) // columns)
    font = ImageFont.truetype(findfont("DejaVu Sans"), size=_FONT_PX)
    legend = _legend_places(font, width=_GAP_PX + columns * step_x)
    top = _LEGEND_PX + legend[-1][1]
    sheet = Image.new("RGB", (_GAP_PX + columns * step_x, top + rows * step_y + _GAP_PX), PAPER)
    draw = ImageDraw.Draw(sheet)
    for (x, y), (word, colour) in zip(legend, LEGEND, strict=True):
        draw.ellipse((x, y + 8, x + 9, y + 17), fill=colour, outline=PALE)
        draw.text((x + 14, y + 13), word, fill=INK, font=font, anchor="lm")
    for number, tile in enumerate(tiles):
        x, y = _GAP_PX + number % columns * step_x, top + number // columns * step_y
        sheet.paste(Image.fromarray(tile.picture), (x, y))
        draw.text((x, y + height + 2), _fit(tile.title, font, width), fill=INK, font=font)
        ink = ALARM if tile.is_alarm else PALE
        draw.text((x, y + height + 2 + _LINE_PX), _fit(tile.note, font, width), fill=ink, font=font)
    return np.asarray(sheet)


def _legend_places(font: ImageFont.FreeTypeFont, *, width: int) -> list[tuple[int, int]]:
    """Corners of the legend's words, in as many lines as a sheet of this width needs."""
    places, x, y = [], _GAP_PX, 0
    for word, _ in LEGEND:
        needs = 14 + int(font.getlength(word)) + 18
        if places and x + needs > width:
            x, y = _GAP_PX, y + _LINE_PX + 3
        places.append((x, y))
        x += needs
    return places


def _fit(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """One line no wider than so many pixels."""
    text = plain(text)[:200]
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
