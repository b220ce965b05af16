"""A crop put back: unchanged the photo is back, whatever the square's place, size, turn."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vasa.inference.paste import PasteBack
from vasa.pretrained.squares import Squares, crop_squares
from vasa.types import InputError

SIZE = 96


def photo(height: int = 200, width: int = 260) -> Tensor:
    """Soft blobs of all colours, so that resampling loses little."""
    noise = torch.rand(
        (1, 3, height // 10, width // 10), generator=torch.Generator().manual_seed(0)
    )
    return F.interpolate(noise, size=(height, width), mode="bicubic")[0].clamp(0, 1)


def square(x: float, y: float, side: float, roll_deg: float = 0.0) -> Squares:
    return Squares(
        centre=torch.tensor([[x, y]]),
        side=torch.tensor([side]),
        roll=torch.tensor([math.radians(roll_deg)]),
    )


def cut(image: Tensor, where: Squares, *, size: int = SIZE) -> Tensor:
    crop = crop_squares(image[None], where, size=size, padding="border", supersample=2)[0]
    return (crop * 255).round().clamp(0, 255).byte()


def as_bytes(image: Tensor) -> np.ndarray:
    return (image * 255).round().byte().permute(1, 2, 0).numpy()


def inside(where: Squares, height: int, width: int) -> np.ndarray:
    """Which pixels' centres lie in the square."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    points = where.from_picture(torch.stack((x, y), dim=-1).reshape(1, -1, 2))
    return ((points > 0) & (points < 1)).all(dim=-1).reshape(height, width).numpy()


@pytest.mark.parametrize(
    "where",
    [
        square(130, 100, 96),
        square(121.3, 90.6, 131.7),
        square(128, 103, 41),
        square(130, 100, 110, roll_deg=25),
        square(130, 100, 60, roll_deg=-70),
        square(20, 30, 120),
        square(240.5, 180.2, 120),
        square(130, 100, 400),
    ],
    ids=["same", "coarser", "finer", "turned", "turned far", "corner", "other corner", "beyond"],
)
def test_an_unchanged_crop_gives_the_photo_back(where):
    image = photo()
    pasted = PasteBack(image, where, size=SIZE)(cut(image, where))
    truth = as_bytes(image)
    within = inside(where, *truth.shape[:2])
    assert pasted.shape == truth.shape and pasted.dtype == np.uint8
    outside = ~within
    edge = F.max_pool2d(torch.from_numpy(within).float()[None], 3, 1, 1)[0].bool().numpy()
    assert (pasted[outside & ~edge] == truth[outside & ~edge]).all()
    error = np.abs(pasted[within].astype(int) - truth[within])
    limit = 3 if float(where.side[0]) < 200 else 8  # a fourth of the photo's resolution
    assert error.mean() < limit / 2 and np.quantile(error, 0.99) <= 3 * limit


@pytest.mark.parametrize("shift", [(4.0, 0.0), (0.0, 4.0)])
def test_a_crop_out_of_place_is_noticed(shift):
    image, where = photo(), square(130, 100, 96)
    crop = cut(image, where.moved(torch.tensor([shift])))
    pasted = PasteBack(image, where, size=SIZE)(crop)
    middle = (slice(70, 130), slice(100, 160))
    assert np.abs(pasted[middle].astype(int) - as_bytes(image)[middle]).mean() > 6


def test_the_seam_is_soft_and_the_middle_is_the_crop():
    black, where = torch.zeros(3, 100, 100), square(50, 50, 60)
    white = torch.full((3, SIZE, SIZE), 255, dtype=torch.uint8)
    row = PasteBack(black, where, size=SIZE, feather=0.2)(white)[50, :, 0].astype(int)
    assert (row[:20] == 0).all() and (row[80:] == 0).all() and (row[33:67] == 255).all()
    ramp = row[20:33]
    assert (np.diff(ramp) >= 0).all() and np.diff(ramp).max() < 40 and ramp[0] < 5
    np.testing.assert_array_equal(row, row[::-1])


def test_there_is_no_seam_at_the_photos_own_edge():
    black = torch.zeros(3, 100, 100)
    white = torch.full((3, SIZE, SIZE), 255, dtype=torch.uint8)
    pasted = PasteBack(black, square(20, 50, 60), size=SIZE)(white)[..., 0]
    assert pasted[50, 0] == 255 and pasted[50, 40] == 255 and pasted[50, 49] < 10


def test_odd_sides_lose_their_last_row_and_column():
    image = photo()[:, :199, :251]
    pasted = PasteBack(image, square(100, 100, 96), size=SIZE)(
        torch.zeros(3, SIZE, SIZE, dtype=torch.uint8)
    )
    assert pasted.shape == (198, 250, 3)
    assert (pasted[:40] == as_bytes(image)[:40, :250]).all()
    with pytest.raises(InputError, match="2 x 2"):
        PasteBack(photo()[:, :1], square(0, 0, 5), size=SIZE)


def test_frames_do_not_touch_one_another():
    image, where = photo(), square(130, 100, 96)
    paste = PasteBack(image, where, size=SIZE)
    first = paste(cut(image, where))
    paste(torch.zeros(3, SIZE, SIZE, dtype=torch.uint8))
    assert (paste(cut(image, where)) == first).all()
