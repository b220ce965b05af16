"""Pictures of every kind that people have, read alike."""

import numpy as np
import pytest
import torch
from PIL import Image

from vasa.inference.picture import read_picture
from vasa.types import InputError


def ramp() -> np.ndarray:
    """Red rises to the right, blue downwards, uint8 `24 32 3`."""
    y, x = np.mgrid[0:24, 0:32]
    return np.stack((x * 8, np.full_like(x, 60), y * 10), axis=-1).astype(np.uint8)


def as_tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "gif", "jpg", "webp", "ppm"])
def test_common_formats(tmp_path, suffix):
    words = {"quality": 98} if suffix in ("jpg", "webp") else {}
    Image.fromarray(ramp()).save(tmp_path / f"a.{suffix}", **words)
    tolerance = 0 if suffix in ("png", "bmp", "tif", "ppm") else 0.06
    found = read_picture(tmp_path / f"a.{suffix}")
    assert (found - as_tensor(ramp())).abs().mean() <= tolerance


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_turns_the_picture_upright(tmp_path, turn):
    upright = Image.fromarray(ramp())
    stored = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }.get(turn, [])
    for step in stored:
        upright = upright.transpose(step)
    exif = upright.getexif()
    exif[0x0112] = turn
    upright.save(tmp_path / "a.png", exif=exif)
    assert torch.equal(read_picture(tmp_path / "a.png"), as_tensor(ramp()))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_of_16_bits_keeps_its_greys(tmp_path, suffix):
    grey = np.linspace(0, 65535, 32).astype(np.uint16)[None].repeat(24, axis=0)
    Image.fromarray(grey).save(tmp_path / f"a.{suffix}")
    found = read_picture(tmp_path / f"a.{suffix}")
    assert found.shape == (3, 24, 32)
    torch.testing.assert_close(found[1, 5], torch.linspace(0, 1, 32), atol=0.003, rtol=0)


def test_grey_ink_palette_and_alpha(tmp_path):
    picture = Image.fromarray(ramp())
    picture.convert("L").save(tmp_path / "grey.jpg", quality=98)
    assert read_picture(tmp_path / "grey.jpg").std(dim=0).max() == 0
    picture.convert("CMYK").save(tmp_path / "ink.jpg", quality=98)
    error = (read_picture(tmp_path / "ink.jpg") - as_tensor(ramp())).abs().mean()
    assert error < 0.02
    see_through = picture.convert("RGBA")
    see_through.putalpha(Image.fromarray(np.full((24, 32), 51, np.uint8)))
    see_through.save(tmp_path / "alpha.webp", lossless=True)
    mixed = 0.2 * as_tensor(ramp()) + 0.8
    torch.testing.assert_close(read_picture(tmp_path / "alpha.webp"), mixed, atol=0.02, rtol=0)


def test_pixels_without_a_known_white_are_refused(tmp_path):
    Image.fromarray(np.zeros((8, 8), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="32 bits"):
        read_picture(tmp_path / "a.tif")


def test_a_bomb_is_refused(tmp_path, monkeypatch):
    Image.fromarray(ramp()).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    with pytest.raises(InputError, match="could not read"):
        read_picture(tmp_path / "a.png")
