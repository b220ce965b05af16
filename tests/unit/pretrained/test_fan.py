"""FAN: which files are refused, and that a landmark lies where the picture shows it."""

import hashlib
import socket
import warnings
from types import SimpleNamespace

import face_alignment
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vasa.pretrained.fan import FanLandmarks
from vasa.pretrained.landmarks import IBUG68
from vasa.types import InputError

BOX = np.array([70.0, 90.0, 190.0, 220.0])
SIDE = 200 * (120 + 130) / 195
HEAT_PIXEL = SIDE / 64
RIGHT_EYE, LEFT_EYE = 36, 45


class Seeing(torch.nn.Module):
    """Heat maps that are the picture's brightness, each within its window of the picture."""

    def __init__(self, windows=None):
        super().__init__()
        self.register_buffer("windows", torch.ones(68, 64, 64) if windows is None else windows)

    def forward(self, images):
        return F.avg_pool2d(images.mean(dim=1, keepdim=True), 4) * self.windows


def save_network(folder, net, *, channels=3):
    """The net as TorchScript, under a name that ends with its checksum."""
    plain = folder / "net.zip"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(net, torch.rand(1, channels, 256, 256)), str(plain))
    return with_hash(plain)


def with_hash(path):
    start = hashlib.sha256(path.read_bytes()).hexdigest()[:10]
    return path.rename(path.with_name(f"{path.stem}-{start}.zip"))


def mesh_in(box, *, num, seed=0):
    """Meshes whose 68 points span the box; the other vertices lie anywhere."""
    rng = np.random.default_rng(seed)
    mesh = rng.uniform(-50, 400, (num, 478, 3)).astype(np.float32)
    low, high = box[:2], box[2:]
    mesh[:, list(IBUG68), :2] = rng.uniform(low, high, (num, 68, 2))
    mesh[:, IBUG68[0], :2], mesh[:, IBUG68[1], :2] = low, high
    return mesh


def dots(places, *, size=256, brightness=255.0):
    """Black pictures with a soft dot each, at (x, y) in edge pixels."""
    grid = np.arange(size) + 0.5
    x, y = places[:, 0, None, None], places[:, 1, None, None]
    light = np.exp(
        -((grid[None, None, :] - x) ** 2 + (grid[None, :, None] - y) ** 2) / (2 * 5.0**2)
    )
    return np.repeat((brightness * light).round().astype(np.uint8)[..., None], 3, axis=-1)


@pytest.fixture
def seeing(tmp_path):
    return save_network(tmp_path, Seeing())


@pytest.mark.parametrize("flip", [False, True])
def test_landmarks_lie_on_the_dot_without_bias(seeing, flip):
    places = np.random.default_rng(1).uniform(40, 216, (64, 2))
    found = FanLandmarks(seeing, flip=flip)(dots(places), mesh_in(BOX, num=64))
    assert found.shape == (64, 68, 2) and found.dtype == np.float32
    error = (found - places[:, None]) / HEAT_PIXEL
    assert np.abs(error).max() < 0.5
    # a coordinate that means pixel centres, or a map that is off by one, shifts all by 0.25 or more
    assert np.abs(error.mean(axis=(0, 1))).max() < 0.1


def test_peaks_of_known_heat_maps_map_through_the_square(tmp_path):
    rng = np.random.default_rng(2)
    index = rng.integers(2, 62, (68, 2))
    maps = torch.zeros(68, 64, 64)
    maps[torch.arange(68), index[:, 1], index[:, 0]] = 1.0

    class Fixed(torch.nn.Module):
        def forward(self, images):
            return images.mean(dim=(1, 2, 3))[:, None, None, None] * 0 + maps

    fan = FanLandmarks(save_network(tmp_path, Fixed()), flip=False)
    found = fan(np.zeros((2, 256, 256, 3), np.uint8), mesh_in(BOX, num=2))
    centre = np.array([130.0, 155.0 - 0.12 * 130])
    wanted = centre + ((index + 0.5) / 64 - 0.5) * SIDE
    assert np.abs(found - wanted).max() < 0.5 * HEAT_PIXEL


def test_every_frame_has_its_own_square_and_the_size_does_not_matter(seeing):
    scales = np.array([1.0, 1.5, 2.0])
    meshes = np.concatenate([mesh_in(BOX * scale, num=1) for scale in scales])
    places = np.array([[120.0, 130.0]]) * scales[:, None]
    found = FanLandmarks(seeing)(dots(places, size=512), meshes)
    error = np.abs(found - places[:, None]).max(axis=(1, 2))
    assert (error < 0.5 * HEAT_PIXEL * scales).all()


def test_the_mirrored_picture_comes_back_with_left_and_right_exchanged(tmp_path):
    windows = torch.zeros(68, 64, 64)
    windows[RIGHT_EYE, :, :32] = 1  # the person's right eye is on the picture's left
    windows[LEFT_EYE, :, 32:] = 1
    fan = FanLandmarks(save_network(tmp_path, Seeing(windows)), flip=True)
    right, left = np.array([[90.0, 120.0]]), np.array([[165.0, 126.0]])
    frames = dots(right, brightness=120.0) + dots(left, brightness=130.0)
    found = fan(frames, mesh_in(BOX, num=1))[0]
    assert np.abs(found[RIGHT_EYE] - right).max() < 0.5 * HEAT_PIXEL
    assert np.abs(found[LEFT_EYE] - left).max() < 0.5 * HEAT_PIXEL


@pytest.mark.parametrize("flip", [False, True])
def test_agrees_with_the_package_up_to_its_whole_pixels(seeing, flip):
    fan = FanLandmarks(seeing, flip=flip)
    package = object.__new__(face_alignment.FaceAlignment)  # its constructor would download
    package.device, package.dtype, package.max_batch_size = "cpu", torch.float32, 1
    package.flip_input, package.landmarks_type = flip, face_alignment.LandmarksType.TWO_D
    package.face_detector, package.verbose = SimpleNamespace(reference_scale=195), False
    package.face_alignment_net = fan.net
    places = np.random.default_rng(3).uniform(60, 200, (16, 2))
    frames = dots(places)
    with torch.no_grad():
        theirs = [package.get_landmarks_from_image(f, detected_faces=[BOX])[0] for f in frames]
    ours = fan(frames, mesh_in(BOX, num=16))
    # theirs names the pixel that holds the point: its centre is half a pixel on
    assert np.abs(ours - (np.stack(theirs) + 0.5)).max() < 1.6


def test_lists_of_heat_maps_count_by_their_last(tmp_path):
    class Stages(Seeing):
        def forward(self, images):
            heat = super().forward(images)
            return [-heat, heat]

    place = np.array([[120.0, 130.0]])
    found = FanLandmarks(save_network(tmp_path, Stages()))(dots(place), mesh_in(BOX, num=1))
    assert np.abs(found - place).max() < 0.5 * HEAT_PIXEL


def test_face_outside_of_its_picture_is_refused(seeing):
    fan = FanLandmarks(seeing)
    frames = np.zeros((1, 256, 256, 3), np.uint8)
    for shift in ([900, 0], [-900, 0], [0, 900], [0, -900]):
        with pytest.raises(InputError, match="expected a face in its picture of 256 x 256"):
            fan(frames, mesh_in(BOX + np.tile(shift, 2), num=1))
    with pytest.raises(InputError, match="expected a face"):
        fan(frames, np.full((1, 478, 3), 100.0, np.float32))  # no extent
    with pytest.raises(InputError, match="expected a face"):
        fan(frames, np.full((1, 478, 3), np.nan, np.float32))


def test_describe_names_file_and_checksum(seeing):
    facts = FanLandmarks(seeing).describe()
    assert facts["name"] == "face_alignment" and facts["file"] == seeing.name
    assert facts["sha256"] == hashlib.sha256(seeing.read_bytes()).hexdigest()


def test_missing_file_says_where_to_get_it(tmp_path):
    with pytest.raises(InputError, match="got no file .*adrianbulat.*2DFAN4"):
        FanLandmarks(tmp_path / "2DFAN4-cd938726ad.zip")


def test_wrong_checksum_is_refused_and_no_checksum_is_none(seeing):
    fake = seeing.rename(seeing.with_name("2DFAN4-cd938726ad.zip"))
    with pytest.raises(InputError, match="begins with cd938726ad .*get it again"):
        FanLandmarks(fake)
    FanLandmarks(fake.rename(fake.with_name("fan-v2.zip")))


class Trap:
    """Unpickling this makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_what_is_no_torchscript_is_refused_and_never_unpickled(tmp_path):
    junk = tmp_path / "junk.zip"
    junk.write_bytes(b"not a network")
    empty = tmp_path / "empty.zip"
    empty.write_bytes(b"")
    for name, old in (("zipped.zip", True), ("pickled.zip", False)):
        torch.save(
            {"net": Trap(tmp_path / "sprung")},
            tmp_path / name,
            _use_new_zipfile_serialization=old,
        )
    for path in (junk, empty, tmp_path / "zipped.zip", tmp_path / "pickled.zip"):
        with pytest.raises(InputError, match="expected a TorchScript file"):
            FanLandmarks(with_hash(path))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("net", [torch.nn.Conv2d(3, 68, 1), torch.nn.Conv2d(3, 68, 8, stride=8)])
def test_another_network_is_refused(tmp_path, net):
    path = save_network(tmp_path, net.requires_grad_(False))
    with pytest.raises(InputError, match="expected a network b 3 256 256 -> b 68 64 64"):
        FanLandmarks(path)


def test_network_of_other_inputs_is_refused(tmp_path):
    depth = torch.nn.Conv2d(71, 68, 4, stride=4).requires_grad_(False)
    with pytest.raises(InputError, match="expected a network b 3 256 256"):
        FanLandmarks(save_network(tmp_path, depth, channels=71))


def test_nothing_is_downloaded(seeing, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a download was tried")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr(face_alignment.utils, "download_url_to_file", refuse)
    monkeypatch.setattr(face_alignment.utils, "load_file_from_url", refuse)
    monkeypatch.setattr(face_alignment.api, "load_file_from_url", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    FanLandmarks(seeing)(np.zeros((1, 256, 256, 3), np.uint8), mesh_in(BOX, num=1))
    with pytest.raises(InputError, match="got no file"):
        FanLandmarks(tmp_path / "absent.zip")
