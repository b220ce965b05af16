"""Faces of real photos: where they are said to be, and that they go back there."""

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from data_prep.locate import TrackedFaceLocator
from data_prep.settings import TrackSettings
from vasa.cli.paths import conf_dir
from vasa.inference.paste import PasteBack
from vasa.inference.picture import read_picture
from vasa.pretrained.squares import crop_squares
from vasa.types import InputError

SIZE = 256


@pytest.fixture(scope="module")
def locator(weights_dir):
    patch = pytest.MonkeyPatch()
    patch.setenv("VASA_WEIGHTS", str(weights_dir))
    with initialize_config_dir(version_base="1.3", config_dir=conf_dir()):
        track = OmegaConf.to_container(compose(config_name="generate").track)
    yield TrackedFaceLocator(settings=TrackSettings(**track))
    patch.undo()


@pytest.fixture(scope="module")
def photo(real_data_dir):
    """The photo with the most around its face."""
    paths = sorted((real_data_dir / "portraits").iterdir(), key=lambda path: path.stat().st_size)
    return read_picture(paths[1])


def test_the_crop_is_the_square_and_goes_back_into_the_photo(locator, photo):
    found = locator(photo, size=SIZE)
    assert found.crop.shape == (3, SIZE, SIZE) and len(found.square) == 1
    again = crop_squares(photo[None], found.square, size=SIZE, padding="border", supersample=2)[0]
    torch.testing.assert_close(found.crop, again, atol=1.01 / 255, rtol=0)
    pasted = PasteBack(photo, found.square, size=SIZE)((found.crop * 255).round().byte())
    truth = (photo * 255).round().byte().permute(1, 2, 0).numpy()
    truth = truth[: pasted.shape[0], : pasted.shape[1]]
    assert np.abs(pasted.astype(int) - truth).mean() < 3
    assert (pasted != truth).any(axis=-1).mean() < 0.9


def test_a_face_that_is_cut_by_the_photos_edge_goes_back_too(locator, photo):
    found = locator(photo, size=SIZE)
    left = int(found.square.centre[0, 0] - 0.3 * found.square.side[0])
    part = photo[:, :, max(0, left) :]
    square = locator(part, size=SIZE)
    assert float(square.square.centre[0, 0] - square.square.side[0] / 2) < 0
    pasted = PasteBack(part, square.square, size=SIZE)((square.crop * 255).round().byte())
    truth = (part * 255).round().byte().permute(1, 2, 0).numpy()
    truth = truth[: pasted.shape[0], : pasted.shape[1]]
    assert np.abs(pasted.astype(int) - truth).mean() < 3


def test_one_locator_serves_many_photos_alike(locator, photo):
    first = locator(photo, size=SIZE)
    with pytest.raises(InputError, match="expected a face"):
        locator(torch.full((3, 200, 300), 0.4), size=SIZE)
    assert torch.equal(locator(photo, size=SIZE).square.centre, first.square.centre)
