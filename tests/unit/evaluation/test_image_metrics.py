"""PSNR and SSIM against scikit-image, which defines them independently.

PSNR is the same but for our ceiling of 60 dB, where equal pictures would be infinitely near. SSIM
is the same with a Gaussian window (sigma 1.5, 11 px) and the biased variances of Wang et al. 2004,
but at the border: ours (torchmetrics') is a mean over all pixels of pictures that go on mirrored,
scikit-image leaves out the 5 px at each border that the window does not fit into. Scikit-image's
own defaults (a flat window of 7 px, unbiased variances) give other numbers.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from vasa.evaluation.metrics.image import PSNR_CEILING_DB, Psnr, Ssim, frame_psnr

NUM_FRAMES = 4
BORDER = 5
PUBLISHED = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def pictures(height: int, width: int) -> torch.Tensor:
    """Smooth pictures with edges, `t 3 h w`."""
    draw = torch.Generator().manual_seed(0)
    coarse = torch.rand(NUM_FRAMES, 3, 6, 7, generator=draw)
    smooth = F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    smooth[..., height // 3 : height // 2, :] = 0.1
    return smooth


def changed(target: torch.Tensor, how: str) -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    noise = torch.randn(target.shape, generator=draw)
    return {
        "noise": (target + 0.1 * noise).clamp(0, 1),
        "little noise": (target + 0.004 * noise).clamp(0, 1),
        "blur": F.avg_pool2d(target, 5, 1, 2, count_include_pad=False),
        "darker": 0.6 * target,
        "moved": target.roll(2, dims=-1),
        "other": target.flip(0),
    }[how]


def mirrored(picture: np.ndarray) -> np.ndarray:
    """With a border more, for scikit-image to leave out."""
    return np.pad(picture, ((0, 0), (BORDER, BORDER), (BORDER, BORDER)), mode="reflect")


def scikit_ssim(first: np.ndarray, second: np.ndarray) -> float:
    return structural_similarity(first, second, data_range=1.0, channel_axis=0, **PUBLISHED)


@pytest.mark.parametrize("how", ["noise", "little noise", "blur", "darker", "moved", "other"])
@pytest.mark.parametrize("side", [(32, 40), (65, 48)])
def test_they_agree_with_scikit_image(side, how) -> None:
    target = pictures(*side)
    result = changed(target, how)
    pairs = [(a.double().numpy(), b.double().numpy()) for a, b in zip(target, result, strict=True)]
    psnr = [peak_signal_noise_ratio(a, b, data_range=1.0) for a, b in pairs]
    assert frame_psnr(result, target).tolist() == pytest.approx(psnr, abs=1e-3)
    ssim = [scikit_ssim(mirrored(a), mirrored(b)) for a, b in pairs]
    own = Psnr(), Ssim()
    for metric in own:
        metric.update(result, target)
    assert float(own[0].compute()) == pytest.approx(float(np.mean(psnr)), abs=1e-3)
    assert float(own[1].compute()) == pytest.approx(float(np.mean(ssim)), abs=2e-4)


def test_masked_psnr_is_scikit_images_of_the_box_alone() -> None:
    target = pictures(32, 40)
    result = changed(target, "noise")
    mask = torch.zeros(NUM_FRAMES, 32, 40, dtype=torch.bool)
    mask[:, 10:20, 12:30] = True
    box = (slice(None), slice(10, 20), slice(12, 30))
    wanted = [
        peak_signal_noise_ratio(a[box].numpy(), b[box].numpy(), data_range=1.0)
        for a, b in zip(target, result, strict=True)
    ]
    assert frame_psnr(result, target, mask).tolist() == pytest.approx(wanted, abs=1e-3)


def test_where_they_differ() -> None:
    target = pictures(32, 40)
    with np.errstate(divide="ignore"):
        same = peak_signal_noise_ratio(target[0].numpy(), target[0].numpy(), data_range=1.0)
    assert same == np.inf and frame_psnr(target, target).tolist() == [PSNR_CEILING_DB] * NUM_FRAMES
    # What changes at the border alone, scikit-image does not see.
    result = target.clone()
    result[..., :2, :] = 1 - result[..., :2, :]
    metric = Ssim()
    metric.update(result, target)
    inner = [scikit_ssim(a.numpy(), b.numpy()) for a, b in zip(target, result, strict=True)]
    assert float(metric.compute()) < float(np.mean(inner)) - 0.05
