"""Whose features describe frames, and that EfficientNet-lite0 orders what can be ordered."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vasa.evaluation.frame_features import frame_features
from vasa.evaluation.methods.folder import read_video
from vasa.evaluation.metrics.frechet import frechet_distance
from vasa.pretrained.efficientnet import EfficientNetFeatures
from vasa.types import InputError

CPU = torch.device("cpu")
NUM_CLIPS, STRIDE, HALF = 4, 5, 8


class Mapped(nn.Module):
    """An expert with feature maps."""

    def features(self, images: torch.Tensor) -> list[torch.Tensor]:
        return [images, 2 * images[..., ::2, ::2]]


def blurred(images: torch.Tensor, size: int) -> torch.Tensor:
    return F.avg_pool2d(images, size, 1, size // 2, count_include_pad=False)


def test_an_experts_own_maps_come_first() -> None:
    found = frame_features(Mapped(), device=CPU)  # type: ignore[arg-type]
    assert found.name == "Mapped" and found.unit == "FD(own features)" and found.judge is None
    values = found.of(torch.full((2, 3, 4, 4), 0.25))
    assert values.tolist() == [[0.25] * 3 + [0.5] * 3] * 2


def test_without_maps_it_is_efficientnet_or_nothing(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("VASA_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"efficientnet_lite0\.pt.*licence"):
        frame_features(nn.Identity(), device=CPU)  # type: ignore[arg-type]


def test_efficientnet_is_named_and_never_fid(weights_dir, monkeypatch) -> None:
    monkeypatch.setenv("VASA_WEIGHTS", str(weights_dir))
    found = frame_features(nn.Identity(), device=CPU)  # type: ignore[arg-type]
    assert found.name == "effnet-lite0" and found.unit == "FD(effnet-lite0)"
    assert found.judge == f"effnet-lite0:{EfficientNetFeatures.describe()['sha256'][:8]}"
    images = torch.rand(2, 3, 64, 64)
    values = found.of(images)
    assert values.shape == (2, 1280) and values.std() > 0
    # Other sizes are scaled to 224 px; a batch is its pictures one by one.
    whole = F.interpolate(images, (224, 224), mode="bilinear", antialias=True)
    torch.testing.assert_close(found.of(whole), values)
    torch.testing.assert_close(found.of(images[1:]), values[1:], rtol=1e-4, atol=1e-5)


def test_real_pictures_are_nearest_to_real_pictures(
    real_data_dir, weights_dir, monkeypatch
) -> None:
    monkeypatch.setenv("VASA_WEIGHTS", str(weights_dir))
    describe = EfficientNetFeatures()
    clips = []
    for path in sorted((real_data_dir / "lrs3").rglob("*.mp4"))[: 2 * NUM_CLIPS]:
        frames = read_video(path)[0][::STRIDE][: 2 * HALF].float() / 255
        if len(frames) == 2 * HALF:
            clips.append(frames)
    clips = clips[:NUM_CLIPS]
    if len(clips) < NUM_CLIPS:
        pytest.skip(f"needs {NUM_CLIPS} clips of {2 * HALF * STRIDE} frames in VASA_TEST_DATA/lrs3")
    first = [describe(frames[:HALF]) for frames in clips]
    second = [describe(frames[HALF:]) for frames in clips]
    later = torch.cat(second)
    real = frechet_distance(torch.cat(first), later)
    soft, softer = (
        frechet_distance(torch.cat([describe(blurred(x[:HALF], size)) for x in clips]), later)
        for size in (5, 11)
    )
    still = frechet_distance(torch.cat([x[:1].expand(HALF, -1) for x in first]), later)
    few = NUM_CLIPS // 2
    same = frechet_distance(torch.cat(first[:few]), torch.cat(second[:few]))
    others = frechet_distance(torch.cat(first[:few]), torch.cat(second[few:]))
    assert 1.5 * real < soft < softer, "blur is seen, and more of it more"
    assert 3 * same < others, "other people are farther than the same at another time"
    assert still > 1.2 * real, "a held picture is no nearer than real clips"
    assert real < 200, "a scale that can be read"
