"""Face recognition that losses look through: a twin of its form, and the file where it is."""

import pytest
import torch
import torch.nn.functional as F
from faceres_twin import STRIDES, WIDTHS, registered_twin

from vasa.pretrained.identity import FaceResIdentity, make_identity
from vasa.types import InputError


@pytest.fixture(scope="module", params=["twin", "file"])
def network(request, tmp_path_factory):
    if request.param == "twin":
        with registered_twin(tmp_path_factory.mktemp("twin")):
            yield make_identity("faceres")
    else:
        folder = request.getfixturevalue("weights_dir")
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("VASA_WEIGHTS", str(folder))
            if not FaceResIdentity.available():
                pytest.skip("needs identity_faceres.pt in VASA_WEIGHTS")
            yield make_identity("faceres")


def pictures() -> torch.Tensor:
    grid = torch.rand(3, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    return F.interpolate(grid, (64, 64), mode="bilinear")


def test_the_last_map_is_what_the_embedding_is_the_mean_of(network):
    maps = network.features(pictures())
    assert all(len(one) == 3 and one.dim() == 4 for one in maps)
    sides = [one.shape[-1] for one in maps]
    assert sides == [112, 56, 28, 14, 7][: len(sides)] and len(sides) >= STRIDES.count(2)
    embedding = F.normalize(maps[-1].mean(dim=(2, 3)), dim=-1)
    torch.testing.assert_close(embedding, network(pictures()), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(embedding.norm(dim=-1), torch.ones(3))


def test_gradients_flow_to_the_picture_and_autocast_changes_nothing(network):
    image = pictures().requires_grad_()
    maps = network.features(image)
    sum(one.mean() for one in maps).backward()
    assert image.grad is not None and image.grad.isfinite().all() and image.grad.any()
    assert network.features(pictures())[0].requires_grad is False
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = network.features(pictures())
    assert all(torch.equal(one, other) for one, other in zip(maps, inside, strict=True))


def test_each_size_gives_its_last_map(tmp_path):
    with registered_twin(tmp_path):
        maps = make_identity("faceres").features(pictures())
    assert [one.shape[1] for one in maps] == [WIDTHS[2], WIDTHS[4], WIDTHS[5]]


def test_mistakes_are_named(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="faceres.*face_expert.*'identity_dlib'"):
        make_identity("identity_dlib")
    monkeypatch.setenv("VASA_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("vasa.pretrained.registry.USER_CACHE", tmp_path / "cache")
    with pytest.raises(InputError, match="identity_faceres.pt"):
        make_identity("faceres")
