"""The source picture, read from whatever file it is in."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from vasa.types import InputError


def read_picture(path: Path) -> Tensor:
    """RGB `3 h w` in [0, 1], upright; transparent parts are white.

    Raises:
        InputError: no such file, or not a picture.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"expected an image file, found none at {path}")
    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file)
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                white = Image.new("RGBA", picture.size, "white")
                picture = Image.alpha_composite(white, picture)
            pixels = np.asarray(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise InputError(
            f"expected an image (png, jpg, webp, ...), could not read {path}: {error}"
        ) from error
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
