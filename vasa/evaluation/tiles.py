"""Labelled grids of pictures, for sheets that people look at."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

TILE_PX = 128
LARGEST_TILE_PX = 256
GAP_PX = 4
FONT_PX = 12
HEADER_PX = 22
VIDEO_TILE_PX = 192
PAPER = (255, 255, 255)
INK = (40, 44, 52)


def to_picture(image: Tensor, *, tile_px: int = TILE_PX) -> Image.Image:
    """`c h w` in [0, 1] as a tile, enlarged smoothly."""
    pixels = (rearrange(image, "c h w -> h w c").clamp(0, 1) * 255).round().byte().cpu().numpy()
    return Image.fromarray(pixels).resize((tile_px, tile_px), Image.Resampling.BICUBIC)


def to_tensor(picture: Image.Image) -> Tensor:
    """A picture as `3 h w` in [0, 1]."""
    pixels = torch.from_numpy(np.array(picture.convert("RGB")))
    return rearrange(pixels, "h w c -> c h w").float() / 255


def label_font(size_px: int = FONT_PX) -> ImageFont.FreeTypeFont:
    """Pillow's own font has no arrows; matplotlib ships one that has."""
    return ImageFont.truetype(findfont("DejaVu Sans"), size=size_px)


def difference(result: Tensor, target: Tensor) -> Tensor:
    """|result - target| x 4 as a picture, `c h w`: a quarter of the range is full white."""
    return ((result - target).abs() * 4).clamp(0, 1)


def grid(
    rows: Sequence[Sequence[Tensor | None]],
    *,
    header: Sequence[str],
    labels: Sequence[str | Sequence[str]] = (),
) -> Image.Image:
    """Pictures `c h w` in rows, with a word above each column; None leaves a blank.

    Tiles are of the largest picture's height, but no smaller than TILE_PX and no larger than
    LARGEST_TILE_PX.

    Args:
        rows: the pictures.
        header: a word a column.
        labels: a word a row, written into its first picture; or a word a picture.
    """
    num_columns = max(len(row) for row in rows)
    height = max(image.shape[-2] for row in rows for image in row if image is not None)
    tile_px = min(max(height, TILE_PX), LARGEST_TILE_PX)
    pitch = tile_px + GAP_PX
    size = (num_columns * pitch + GAP_PX, HEADER_PX + len(rows) * pitch + GAP_PX)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    font = label_font()
    for column, word in enumerate(header):
        middle = GAP_PX + column * pitch + tile_px / 2
        draw.text((middle, HEADER_PX / 2 + 1), word, fill=INK, font=font, anchor="mm")
    for row, pictures in enumerate(rows):
        top = HEADER_PX + GAP_PX + row * pitch
        for column, image in enumerate(pictures):
            if image is not None:
                tile = to_picture(image, tile_px=tile_px)
                sheet.paste(tile, (GAP_PX + column * pitch, top))
        if row < len(labels):
            label = labels[row]
            for column, word in enumerate([label] if isinstance(label, str) else label):
                corner = (GAP_PX + column * pitch + 4, top + 3)
                draw.text(corner, word, fill=PAPER, font=font, stroke_width=2, stroke_fill=INK)
    return sheet


def save_png(path: Path, picture: Image.Image) -> None:
    """Writes a PNG, aside and then in place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    picture.save(part, format="PNG", optimize=True)
    part.replace(path)


def side_by_side(
    panels: Sequence[np.ndarray], *, tile_px: int, header: Sequence[str] = ()
) -> Iterator[np.ndarray]:
    """Videos uint8 `t h w 3` beside each other, enlarged to `tile_px`, cut to the shortest.

    Args:
        panels: the videos.
        tile_px: side of each, even.
        header: a word above each; none leaves no room for words.

    Returns:
        The frames one by one, `1 h w 3`.
    """
    above = [np.asarray(_header(header, tile_px=tile_px))] if header else []
    for pictures in zip(*panels, strict=False):
        tiles = [
            np.asarray(Image.fromarray(one).resize((tile_px, tile_px), Image.Resampling.BICUBIC))
            for one in pictures
        ]
        yield np.concatenate([*above, np.concatenate(tiles, axis=1)], axis=0)[None]


def _header(words: Sequence[str], *, tile_px: int) -> Image.Image:
    band = Image.new("RGB", (len(words) * tile_px, HEADER_PX), PAPER)
    draw = ImageDraw.Draw(band)
    for column, word in enumerate(words):
        middle = ((column + 0.5) * tile_px, HEADER_PX / 2 + 1)
        draw.text(middle, word, fill=INK, font=label_font(), anchor="mm")
    return band
