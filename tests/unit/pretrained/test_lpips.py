"""LPIPS against the package `lpips`: the same random network, the package's fitted layers."""

import hashlib
import importlib
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn

from vasa.evaluation.metrics.lpips import LpipsDistance
from vasa.pretrained.lpips import LPIPS_NETWORKS, Lpips
from vasa.types import InputError

PACKAGE_NAMES = {"lpips_vgg": "vgg", "lpips_alex": "alex"}
SIDES = {"lpips_vgg": (40, 48), "lpips_alex": (64, 80)}


def torchvisions_vgg16(**_) -> SimpleNamespace:
    """Configuration D of Simonyan and Zisserman 2015; "M" pools."""
    layers: list[nn.Module] = []
    width = 3
    for item in [64, 64, "M", 128, 128, "M", *[256] * 3, "M", *[512] * 3, "M", *[512] * 3, "M"]:
        if item == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(width, int(item), 3, padding=1), nn.ReLU(inplace=True)]
            width = int(item)
    return SimpleNamespace(features=nn.Sequential(*layers))


def torchvisions_alexnet(**_) -> SimpleNamespace:
    """The one-column AlexNet of Krizhevsky 2014."""
    features = nn.Sequential(
        nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(64, 192, kernel_size=5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(192, 384, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 256, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(256, 256, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2),
    )
    return SimpleNamespace(features=features)


@pytest.fixture(scope="module")
def package():
    """The package; it needs two networks of torchvision, which is not everywhere."""
    if find_spec("lpips") is None:
        pytest.skip("needs the package lpips")
    added = find_spec("torchvision") is None
    if added:
        stand_in = ModuleType("torchvision")
        stand_in.models = SimpleNamespace(  # type: ignore[attr-defined]
            vgg16=torchvisions_vgg16, alexnet=torchvisions_alexnet
        )
        sys.modules["torchvision"] = stand_in
    yield importlib.import_module("lpips")
    if added:
        del sys.modules["torchvision"]


@pytest.fixture(scope="module", params=LPIPS_NETWORKS)
def both(request, package, tmp_path_factory) -> SimpleNamespace:
    """The package's LPIPS with a random network, and ours from a file of its weights."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = package.LPIPS(net=PACKAGE_NAMES[request.param], pnet_rand=True, verbose=False)
    for weight in theirs.net.parameters():  # as large in the last map as in the first
        if weight.ndim == 4:
            weight.data.normal_(std=(2 / weight[0].numel()) ** 0.5)
    state = {"classifier.6.bias": torch.zeros(1000)}
    for name, value in theirs.net.state_dict().items():  # slice2.5.weight: layer 5
        state[f"features.{name.split('.', 1)[1]}"] = value
    path = saved(state, tmp_path_factory.mktemp("lpips"), request.param)
    return SimpleNamespace(
        name=request.param, path=path, theirs=theirs, ours=Lpips(request.param, path=path)
    )


def saved(state: dict[str, torch.Tensor], folder: Path, name: str) -> Path:
    """Under a name that ends in its checksum."""
    torch.save(state, folder / "new.pth")
    digest = hashlib.sha256((folder / "new.pth").read_bytes()).hexdigest()
    return (folder / "new.pth").rename(folder / f"{name}-{digest[:8]}.pth")


def pair(side: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    first = torch.rand(2, 3, *side, generator=draw)
    return first, (first + 0.2 * torch.randn(2, 3, *side, generator=draw)).clamp(0, 1)


def test_it_is_the_packages_distance(both) -> None:
    first, second = pair(SIDES[both.name])
    with torch.no_grad():
        wanted = both.theirs(first, second, normalize=True).flatten()
    found = both.ours(first, second)
    assert found.shape == (2,) and (wanted > 0.01).all()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-7)
    assert both.ours(first, first).tolist() == [0, 0]


def test_the_fitted_layers_are_the_packages(both, package) -> None:
    name = PACKAGE_NAMES[both.name]
    path = Path(package.__file__).parent / "weights" / "v0.1" / f"{name}.pth"
    state = torch.load(path, map_location="cpu", weights_only=True)
    assert len(both.ours.linear) == len(state) == 5
    for index, weight in enumerate(both.ours.linear):
        assert torch.equal(weight, state[f"lin{index}.model.1.weight"][0])
        assert (weight >= 0).all()


def test_it_is_frozen_named_and_ignores_autocast(both) -> None:
    first, second = pair(SIDES[both.name])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = both.ours(first, second)
    assert torch.equal(inside, both.ours(first, second))
    assert not any(weight.requires_grad for weight in both.ours.net.parameters())
    described = both.ours.describe()
    assert described["name"] == f"{both.name} v0.1" and described["file"] == both.path.name
    result = second.requires_grad_()
    both.ours(first, result).sum().backward()
    assert result.grad is not None and result.grad.abs().sum() > 0


def test_metric_is_the_mean_over_clips_of_frames(both) -> None:
    first, second = pair(SIDES[both.name])
    metric = LpipsDistance(distance=both.ours, batch_size=1)
    metric.update(first, second)
    metric.update(first, first)
    wanted = float(both.ours(first, second).mean())
    assert metric.per_clip().tolist() == pytest.approx([wanted, 0.0], rel=1e-5)
    assert float(metric.compute()) == pytest.approx(wanted / 2, rel=1e-5)
    assert metric.higher_is_better is False


@pytest.mark.parametrize(
    ("name", "file"),
    [("lpips_vgg", "vgg16-397923af.pth"), ("lpips_alex", "alexnet-owt-7be5be79.pth")],
)
def test_a_missing_or_foreign_file_is_named(monkeypatch, tmp_path, name, file) -> None:
    monkeypatch.setenv("VASA_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InputError) as caught:
        Lpips(name)
    assert all(word in str(caught.value) for word in (file, "torchvision", "licence", "ImageNet"))
    (tmp_path / file).write_bytes(b"x")
    with pytest.raises(InputError, match="expected sha256"):
        Lpips(name)
    other = saved({"features.0.weight": torch.zeros(1)}, tmp_path, name)
    with pytest.raises(InputError, match="state dict of torchvision's"):
        Lpips(name, path=other)


def test_an_unknown_network_and_foreign_layers_are_refused(monkeypatch, tmp_path) -> None:
    with pytest.raises(InputError, match="lpips_vgg.*got 'lpips_squeeze'"):
        Lpips("lpips_squeeze")
    state = {}
    for index, (inner, outer, size) in {
        0: (3, 64, 11), 3: (64, 192, 5), 6: (192, 384, 3), 8: (384, 256, 3), 10: (256, 256, 3),
    }.items():  # fmt: skip
        state[f"features.{index}.weight"] = torch.zeros(outer, inner, size, size)
        state[f"features.{index}.bias"] = torch.zeros(outer)
    path = saved(state, tmp_path, "alexnet")
    monkeypatch.setattr("vasa.pretrained.lpips._LINEAR_FOLDER", "no/such/folder")
    with pytest.raises(InputError, match="linear layers v0.1 .*no file"):
        Lpips("lpips_alex", path=path)
