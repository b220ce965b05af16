"""The published SyncNet: its layers, and what its windows are of."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from vasa.models.published_syncnet import PublishedSyncNet, cropped
from vasa.types import InputError

WHOLE = (0.0, 0.0, 1.0)


@pytest.fixture(scope="module")
def published() -> PublishedSyncNet:
    torch.manual_seed(0)
    return PublishedSyncNet(crop=WHOLE, width_divisor=1, embedding_dim=1024).eval()


@pytest.fixture
def small() -> PublishedSyncNet:
    torch.manual_seed(0)
    return PublishedSyncNet(crop=WHOLE, width_divisor=16, embedding_dim=8).eval()


def conv(inner: int, outer: int, area: int) -> int:
    """Weights and biases of a convolution and its BatchNorm."""
    return inner * outer * area + outer + 2 * outer


def test_parameters_are_counted_by_hand(published):
    sound = (
        conv(1, 64, 9) + conv(64, 192, 9) + conv(192, 384, 9) + conv(384, 256, 9)
        + conv(256, 256, 9) + conv(256, 512, 20)
    )  # fmt: skip
    lips = conv(3, 96, 245) + conv(96, 256, 25) + 3 * conv(256, 256, 9) + conv(256, 512, 36)
    heads = 2 * (512 * 512 + 512 + 2 * 512 + 512 * 1024 + 1024)
    assert sum(p.numel() for p in published.parameters()) == sound + lips + heads
    assert round((sound + lips + heads) / 1e6, 1) == 13.6


def test_names_and_shapes_are_those_of_the_published_file(published):
    shapes = {name: tuple(value.shape) for name, value in published.state_dict().items()}
    convolutions = {
        "netcnnaud.0": (64, 1, 3, 3), "netcnnaud.4": (192, 64, 3, 3),
        "netcnnaud.8": (384, 192, 3, 3), "netcnnaud.11": (256, 384, 3, 3),
        "netcnnaud.14": (256, 256, 3, 3), "netcnnaud.18": (512, 256, 5, 4),
        "netcnnlip.0": (96, 3, 5, 7, 7), "netcnnlip.4": (256, 96, 1, 5, 5),
        "netcnnlip.8": (256, 256, 1, 3, 3), "netcnnlip.11": (256, 256, 1, 3, 3),
        "netcnnlip.14": (256, 256, 1, 3, 3), "netcnnlip.18": (512, 256, 1, 6, 6),
    }  # fmt: skip
    wanted = {}
    for name, shape in convolutions.items():
        tower, place = name.split(".")
        wanted |= _layer(name, shape) | _norm(f"{tower}.{int(place) + 1}", shape[0])
    for tower in ("netfcaud", "netfclip"):
        wanted |= _layer(f"{tower}.0", (512, 512)) | _norm(f"{tower}.1", 512)
        wanted |= _layer(f"{tower}.3", (1024, 512))
    assert shapes == wanted


def _layer(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    rows = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{row}": (width,) for row in rows} | {f"{name}.num_batches_tracked": ()}


def with_random_statistics(net: nn.Module) -> None:
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.uniform_(layer.running_mean, -0.2, 0.2)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)


def by_hand(state: dict[str, Tensor], tower: str, x: Tensor) -> Tensor:
    """Both towers written out as functions of the state dict, kernel by kernel."""

    def conv(place: int, x: Tensor, **how) -> Tensor:
        weight, bias = state[f"{tower}.{place}.weight"], state[f"{tower}.{place}.bias"]
        apply = functional.conv2d if weight.dim() == 4 else functional.conv3d
        return norm(f"{tower}.{place + 1}", apply(x, weight, bias, **how)).relu()

    def norm(name: str, x: Tensor) -> Tensor:
        return functional.batch_norm(
            x,
            state[f"{name}.running_mean"],
            state[f"{name}.running_var"],
            state[f"{name}.weight"],
            state[f"{name}.bias"],
        )

    if tower == "netcnnaud":
        x = conv(4, conv(0, x, padding=1), padding=1)
        x = functional.max_pool2d(x, 3, stride=(1, 2))
        for place in (8, 11, 14):
            x = conv(place, x, padding=1)
        x = conv(18, functional.max_pool2d(x, 3, stride=2))
        head = "netfcaud"
    else:
        x = conv(0, x, stride=(1, 2, 2))
        x = functional.max_pool3d(x, (1, 3, 3), stride=(1, 2, 2))
        x = conv(4, x, stride=(1, 2, 2), padding=(0, 1, 1))
        x = functional.max_pool3d(x, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        for place in (8, 11, 14):
            x = conv(place, x, padding=(0, 1, 1))
        x = conv(18, functional.max_pool3d(x, (1, 3, 3), stride=(1, 2, 2)))
        head = "netfclip"
    x = functional.linear(x.flatten(1), state[f"{head}.0.weight"], state[f"{head}.0.bias"])
    x = norm(f"{head}.1", x).relu()
    return functional.linear(x, state[f"{head}.3.weight"], state[f"{head}.3.bias"])


@torch.no_grad()
def test_towers_written_out_give_the_same(small):
    with_random_statistics(small)
    clip = torch.rand(1, 9, 3, 224, 224)
    audio = torch.rand(1, 9 * 640) - 0.5
    state = small.state_dict()
    pictures = clip.flip(2)[0] * 255  # BGR
    lips = torch.stack([pictures[i : i + 5].transpose(0, 1) for i in range(4)])
    mfcc = small.mfcc(audio)[0].T
    heard = torch.stack([mfcc[None, :, 4 * i : 4 * i + 20] for i in range(4)])
    assert torch.allclose(small.embed_video(clip)[0], by_hand(state, "netcnnlip", lips), atol=1e-5)
    assert torch.allclose(
        small.embed_audio(audio)[0], by_hand(state, "netcnnaud", heard), atol=1e-5
    )


@torch.no_grad()
def test_windows_pair_and_do_not_depend_on_how_many_are_made_at_once(small, monkeypatch):
    clip, audio = torch.rand(2, 11, 3, 64, 64), torch.rand(2, 11 * 640) - 0.5
    video = small.embed_video(clip)
    assert video.shape == small.embed_audio(audio).shape == (2, 6, 8)
    monkeypatch.setattr("vasa.models.published_syncnet._FRAMES_AT_ONCE", 4)
    assert torch.allclose(small.embed_video(clip), video, atol=1e-5)


def test_crop_is_cut_and_filled_with_grey():
    frames = torch.arange(100.0).reshape(1, 1, 10, 10)
    assert torch.equal(cropped(frames, (0.2, 0.3, 0.5)), frames[..., 3:8, 2:7])
    beyond = cropped(frames, (0.1, 0.6, 0.8))
    assert beyond.shape == (1, 1, 8, 8)
    assert torch.equal(beyond[..., :4, :], frames[..., 6:, 1:9])
    assert (beyond[..., 4:, :] == 110 / 255).all()
    before = cropped(frames, (-0.2, -0.1, 0.5))
    assert torch.equal(before[..., 1:, 2:], frames[..., :4, :3])
    assert (before[..., 0, :] == 110 / 255).all() and (before[..., :2] == 110 / 255).all()


def test_lengths_that_do_not_fit_are_explained(small):
    with pytest.raises(InputError, match="at least 6 frames"):
        small.embed_video(torch.zeros(1, 5, 3, 32, 32))
    for length in (5 * 640, 6 * 640 + 1):
        with pytest.raises(InputError, match="640 audio samples a frame"):
            small.embed_audio(torch.zeros(1, length))
