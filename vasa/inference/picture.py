"""The source picture, read from whatever file it is in."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from vasa.types import InputError

_STEPS_A_LEVEL = 257  # 65535 over 255


def read_picture(path: Path) -> Tensor:
    """RGB `3 h w` in [0, 1], upright; transparent parts are white, of several pictures the first.

    Raises:
        InputError: no such file, not a picture, or too large a one.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"expected an image file, found none at {path}")
    try:
        with Image.open(path) as file:
            picture = _eight_bits(ImageOps.exif_transpose(file), kind=file.format)
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                white = Image.new("RGBA", picture.size, "white")
                picture = Image.alpha_composite(white, picture)
            pixels = np.asarray(picture.convert("RGB"))
    except (
        *(UnidentifiedImageError, Image.DecompressionBombError),
        *(OSError, ValueError, SyntaxError),
    ) as error:
        raise InputError(
            f"expected an image (png, jpg, webp, ...), could not read {path}: {error}"
        ) from error
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255


def _eight_bits(picture: Image.Image, *, kind: str | None) -> Image.Image:
    """Grey pictures of 16 bits as 8; Pillow's own conversion cuts them off at 255, all white.

    Args:
        picture: of any mode.
        kind: the file's format; Pillow before 11 reads a PNG of 16 bits as 32.

    Raises:
        ValueError: pixels of more than 16 bits.
    """
    is_deep = picture.mode.startswith("I;16") or (picture.mode == "I" and kind == "PNG")
    if picture.mode in ("I", "F") and not is_deep:
        raise ValueError(f"its pixels have 32 bits ({picture.mode}), 8 or 16 are read")
    if not is_deep:
        return picture
    grey = np.asarray(picture).astype(np.uint16)
    return Image.fromarray((grey / _STEPS_A_LEVEL).round().astype(np.uint8))
