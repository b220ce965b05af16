"""The networks that perceptual losses look through: vgg19, squeezenet."""

import hashlib
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from vasa.losses.perceptual import perceptual_loss
from vasa.pretrained.perceptual import PERCEPTUAL_NETWORKS, make_perceptual
from vasa.pretrained.registry import file_sha256
from vasa.pretrained.vgg import VGG19_FILE, VGG19Features
from vasa.types import InputError

# The convolutions of torchvision's vgg19().features: index, channels in, channels out.
CONVOLUTIONS = (
    (0, 3, 64), (2, 64, 64), (5, 64, 128), (7, 128, 128),
    (10, 128, 256), (12, 256, 256), (14, 256, 256), (16, 256, 256),
    (19, 256, 512), (21, 512, 512), (23, 512, 512), (25, 512, 512),
    (28, 512, 512),
)  # fmt: skip


def named_by_content(state: object, folder: Path) -> Path:
    """Saved under the name that its content asks for."""
    torch.save(state, folder / "new.pth")
    digest = hashlib.sha256((folder / "new.pth").read_bytes()).hexdigest()
    return (folder / "new.pth").rename(folder / f"vgg19-{digest[:8]}.pth")


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """Random weights of the official file's form, without most of what is not used here."""
    generator = torch.Generator().manual_seed(0)
    found = {"classifier.6.bias": torch.zeros(1000)}
    for index, inner, outer in CONVOLUTIONS:
        weight = torch.randn(outer, inner, 3, 3, generator=generator)
        found[f"features.{index}.weight"] = weight * (2 / (9 * inner)) ** 0.5
        found[f"features.{index}.bias"] = 0.1 * torch.randn(outer, generator=generator)
    return found


@pytest.fixture(scope="module")
def vgg_file(state, tmp_path_factory) -> Path:
    return named_by_content(state, tmp_path_factory.mktemp("vgg"))


@pytest.fixture(scope="module")
def vgg(vgg_file) -> VGG19Features:
    return VGG19Features(path=vgg_file)


def taps_by_hand(state: dict[str, torch.Tensor], image: torch.Tensor) -> list[torch.Tensor]:
    """VGG19 written out, from the places of its convolutions."""
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    x, maps, before = (image - mean) / std, [], 0
    for index, _, _ in CONVOLUTIONS:
        if index - before == 3:  # a pooling layer lies between
            x = F.max_pool2d(x, 2)
        x = F.conv2d(
            x, state[f"features.{index}.weight"], state[f"features.{index}.bias"], padding=1
        ).relu()
        if index in (0, 5, 10, 19, 28):
            maps.append(x)
        before = index
    return maps


def test_vgg_is_the_network_of_its_file(vgg, state):
    image = torch.rand(1, 3, 32, 32)
    found = vgg(image)
    assert [tuple(x.shape[1:]) for x in found] == [
        (64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2),
    ]  # fmt: skip
    for first, second in zip(found, taps_by_hand(state, image), strict=True):
        torch.testing.assert_close(first, second)


def test_vgg_has_torchvisions_names(vgg):
    models = pytest.importorskip("torchvision.models")
    with torch.device("meta"):
        wanted = {name: x.shape for name, x in models.vgg19().state_dict().items()}
    own = {name: x.shape for name, x in vgg.net.state_dict().items()}
    assert own.items() <= wanted.items() and len(own) == 2 * len(CONVOLUTIONS)


def test_vgg_is_frozen_and_ignores_autocast(vgg, vgg_file):
    image = torch.rand(1, 3, 16, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = vgg(image)
    assert all(torch.equal(a, b) for a, b in zip(vgg(image), inside, strict=True))
    assert not any(x.requires_grad for x in vgg.net.parameters())
    assert vgg.describe()["file"] == vgg_file.name
    assert vgg.describe()["sha256"] == file_sha256(vgg_file)


def test_missing_vgg_says_where_it_is_from(monkeypatch, tmp_path):
    monkeypatch.setenv("VASA_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("vasa.pretrained.registry.USER_CACHE", tmp_path / "cache")
    for attempt in (lambda: make_perceptual("vgg19"), lambda: VGG19Features(path=tmp_path / "x")):
        with pytest.raises(InputError) as caught:
            attempt()
        message = str(caught.value)
        assert all(word in message for word in (VGG19_FILE, "torchvision", "licence", "found n"))


def test_a_file_under_the_official_name_must_have_its_checksum(monkeypatch, tmp_path, vgg_file):
    (tmp_path / VGG19_FILE).write_bytes(vgg_file.read_bytes())
    monkeypatch.setenv("VASA_WEIGHTS", str(tmp_path))
    with pytest.raises(InputError, match="expected sha256 dcbb9e9d"):
        make_perceptual("vgg19")
    plain = tmp_path / "vgg19.pth"
    plain.write_bytes(b"x")
    with pytest.raises(InputError, match="expected a name like"):
        make_perceptual("vgg19", plain)


@pytest.mark.parametrize("kind", ["other names", "other shape", "no dict"])
def test_a_file_of_another_form_is_refused(tmp_path, state, kind):
    small = {name: torch.zeros(1) for name in state}
    content = {"other names": {"w": torch.zeros(1)}, "other shape": small, "no dict": [1.0]}[kind]
    with pytest.raises(InputError, match="state dict of torchvision's vgg19"):
        VGG19Features(path=named_by_content(content, tmp_path))


def test_code_in_a_weights_file_is_not_run(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    with pytest.raises(InputError):
        VGG19Features(path=named_by_content({"features.0.weight": Harmful()}, tmp_path))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", PERCEPTUAL_NETWORKS)
def test_every_network_has_the_same_call(name, request, monkeypatch):
    if name == "squeezenet":
        monkeypatch.setenv("VASA_WEIGHTS", str(request.getfixturevalue("weights_dir")))
        weights = None
    else:
        weights = request.getfixturevalue("vgg_file")
    network = make_perceptual(name, weights)
    described = network.describe()
    assert set(described) == {"name", "file", "sha256", "licence"}
    assert name in described["name"] and len(described["sha256"]) == 64

    coarse = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    target = F.interpolate(coarse, (64, 64))  # blocks: edges that a blur takes away
    maps = network(target)
    assert isinstance(maps, list) and all(x.dim() == 4 and len(x) == 2 for x in maps)
    losses = []
    for size in (1, 3, 9):
        blurred = F.avg_pool2d(target, size, 1, size // 2, count_include_pad=False)
        losses.append(perceptual_loss(blurred, target, network).item())
    assert losses[0] == 0 < losses[1] < losses[2]

    result = blurred.requires_grad_()
    weights_map = torch.ones(2, 1, 64, 64)
    weights_map[..., 32:] = 0.1
    perceptual_loss(result, target, network, weights=weights_map).backward()
    assert result.grad is not None and result.grad.isfinite().all()
    assert result.grad[..., :24].abs().sum() > result.grad[..., 40:].abs().sum() > 0


def test_mistakes_are_named(tmp_path):
    with pytest.raises(InputError, match="vgg19.*squeezenet.*face_expert.*'vgg'"):
        make_perceptual("vgg")
    with pytest.raises(InputError, match="leave them out"):
        make_perceptual("squeezenet", tmp_path)
