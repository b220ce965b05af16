"""What I3D and InceptionV3 are given, by probes of their files' form that tell it."""

import pytest
import torch
import torch.nn.functional as F
from published_files import PictureProbe, VideoProbe, install

from vasa.pretrained.i3d import I3dFeatures
from vasa.pretrained.inception import InceptionFeatures
from vasa.types import InputError


@pytest.fixture
def i3d(monkeypatch, tmp_path) -> I3dFeatures:
    install(monkeypatch, tmp_path, i3d=VideoProbe())
    return I3dFeatures()


def test_i3d_is_given_minus_one_to_one_at_224_px(i3d) -> None:
    video = torch.zeros(2, 25, 3, 64, 64)
    video[1, :, 0], video[1, :, 1], video[1, :, 2] = 1.0, 0.5, 0.25
    black, colour = i3d(video).tolist()
    assert black[:3] == [-1, -1, -1]
    assert colour[:3] == pytest.approx([-1 + 0.5, 1, (1 + 0 - 0.5) / 3], abs=1e-5)
    assert colour[3:6] == pytest.approx([1, 0, -0.5], abs=1e-5), "RGB, each channel where it was"
    assert colour[6:9] == [0, 0, 0], "time is the third dimension: nothing moves"
    frames, height, width, rescale, resize, return_features = colour[9:]
    assert (frames, height, width) == (25, 224, 224)
    assert (rescale, resize, return_features) == (0, 0, 1)


def test_i3d_sees_the_eight_bits_that_its_own_rescaling_makes(i3d) -> None:
    """2 x - 1 of x = value / 255 is the network's value / 255 * 2 - 1."""
    values = torch.randint(0, 256, (1, 12, 3, 224, 224), generator=torch.Generator().manual_seed(0))
    inside = (values.float() / 255 * 2 - 1).permute(0, 2, 1, 3, 4)
    torch.testing.assert_close(
        i3d(values.float() / 255), VideoProbe()(inside, False, False, True), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("side", [64, 300])
def test_i3d_is_given_every_frame_scaled_alone(i3d, side) -> None:
    """Three-linear scaling of a video whose length stays is bilinear scaling of its frames."""
    video = torch.rand(1, 12, 3, side, side, generator=torch.Generator().manual_seed(0))
    whole = F.interpolate(
        video.permute(0, 2, 1, 3, 4), size=(12, 224, 224), mode="trilinear", align_corners=False
    )
    wanted = VideoProbe()(2 * whole - 1, False, False, True)
    torch.testing.assert_close(i3d(video), wanted, rtol=1e-4, atol=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(i3d(video), i3d(video)) and i3d(video).dtype == torch.float32


def test_i3d_of_too_few_frames_is_our_mistake(i3d) -> None:
    with pytest.raises(AssertionError, match="8 frames are too few"):
        i3d(torch.zeros(1, 8, 3, 16, 16))


def test_inception_is_given_whole_eight_bit_values(monkeypatch, tmp_path) -> None:
    install(monkeypatch, tmp_path, inception=PictureProbe())
    images = torch.zeros(2, 3, 40, 48)
    images[1, 0], images[1, 1], images[1, 2] = 1.0, 100.4 / 255, 20 / 255
    black, colour = InceptionFeatures()(images).tolist()
    assert black[:4] == [0, 0, 0, 0]
    assert colour[:4] == pytest.approx([20, 255, 125, 0], abs=1e-4)
    assert colour[4:7] == pytest.approx([255, 100, 20], abs=1e-4)
    assert colour[7:] == [40, 48, 1], "it scales itself"


@pytest.mark.parametrize(
    ("expert", "words"),
    [
        (I3dFeatures, ("i3d_torchscript.pt", "Kinetics", "stylegan-v", "licence", "VASA_WEIGHTS")),
        (InceptionFeatures, ("inception-2015-12-05.pt", "ImageNet", "NVlabs", "non-commercial")),
    ],
)
def test_a_missing_file_is_asked_for_by_name(monkeypatch, tmp_path, expert, words) -> None:
    monkeypatch.setenv("VASA_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InputError) as caught:
        expert()
    assert all(word in str(caught.value) for word in words)
    (tmp_path / words[0]).write_bytes(b"another file")
    with pytest.raises(InputError, match="expected sha256"):
        expert()
