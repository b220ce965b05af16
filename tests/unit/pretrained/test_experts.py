"""The frozen networks behind their classes; skipped where the weights are not on this machine."""

import pytest
import torch

from vasa.pretrained.emotion import EmotionNet
from vasa.pretrained.face_detector import FaceDetector
from vasa.pretrained.landmarks import Blendshapes, FaceLandmarker
from vasa.pretrained.perceptual import SqueezeNetFeatures
from vasa.pretrained.registry import REGISTRY
from vasa.pretrained.squares import Squares


@pytest.fixture(autouse=True)
def _weights(weights_dir, monkeypatch):
    monkeypatch.setenv("VASA_WEIGHTS", str(weights_dir))


def test_describe_names_file_and_checksum():
    net = FaceLandmarker()
    assert net.available()
    assert net.describe()["file"] == "face_landmarks.pt"
    assert net.describe()["sha256"] == REGISTRY["face_landmarks"].sha256


def test_noise_holds_no_face():
    torch.manual_seed(0)
    images = torch.rand(2, 3, 96, 128)
    assert [len(found) for found in FaceDetector().detect(images)] == [0, 0]
    points, presence = FaceLandmarker()(images, Squares.whole(num=2, height=96, width=128))
    assert points.shape == (2, 478, 3)
    assert (presence < 0).all()


def test_autocast_changes_nothing():
    torch.manual_seed(0)
    images = torch.rand(1, 3, 64, 64)
    net = SqueezeNetFeatures()
    plain = net(images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = net(images)
    assert all(torch.equal(a, b) for a, b in zip(plain, inside, strict=True))


def test_perceptual_distance_is_zero_for_the_same_and_grows():
    torch.manual_seed(0)
    image = torch.rand(1, 3, 64, 64)
    net = SqueezeNetFeatures()
    assert net.distance(image, image).item() == 0
    near = (image + 0.02 * torch.randn_like(image)).clamp(0, 1).requires_grad_()
    far = (image + 0.2 * torch.randn_like(image)).clamp(0, 1)
    assert 0 < net.distance(image, near).item() < net.distance(image, far).item()
    net.distance(image, near).sum().backward()
    assert near.grad is not None
    assert near.grad.abs().sum() > 0


def test_blendshapes_and_emotions_are_in_range():
    torch.manual_seed(0)
    points = torch.rand(3, 478, 3) * 200
    shapes = Blendshapes()(points)
    assert shapes.shape == (3, 52)
    assert 0 <= shapes.min() <= shapes.max() <= 1
    weights = EmotionNet()(torch.rand(3, 3, 64, 64), points)
    assert weights.shape == (3, 8)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(3), atol=1e-4, rtol=0)
    assert (weights[:, 7] == 0).all()
