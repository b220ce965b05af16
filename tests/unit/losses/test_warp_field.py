"""Regularisers of the warp field on fields whose size and slope are known."""

import pytest
import torch

from vasa.geometry.warp import identity_grid
from vasa.losses.warp_field import warp_magnitude_loss, warp_smoothness_loss


def places(depth: int = 4, height: int = 8, width: int = 8) -> torch.Tensor:
    """Coordinates of the voxels, `2 3 d h w`."""
    grid = identity_grid(depth, height, width, device=torch.device("cpu"))
    return grid.permute(0, 4, 1, 2, 3).repeat(2, 1, 1, 1, 1)


def test_no_motion_costs_nothing_and_the_start_has_a_finite_gradient():
    offsets = torch.zeros(2, 3, 4, 8, 8, requires_grad=True)
    loss = warp_magnitude_loss(offsets) + warp_smoothness_loss(offsets)
    loss.backward()
    assert loss == 0
    assert offsets.grad is not None and offsets.grad.isfinite().all()


def test_a_shift_is_smooth_and_has_a_size():
    offsets = torch.full((2, 3, 4, 8, 8), -0.3)
    assert warp_smoothness_loss(offsets) == 0
    assert warp_magnitude_loss(offsets) == pytest.approx(0.3)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shape", [(4, 8, 8), (8, 16, 4)])
def test_a_stretch_costs_its_strain_at_any_size(axis, shape):
    offsets = torch.zeros(2, 3, *shape)
    offsets[:, axis] = 0.6 * places(*shape)[:, axis]
    assert warp_smoothness_loss(offsets) == pytest.approx(0.2, rel=1e-4)


def test_noise_is_rougher_than_a_wave_of_its_size():
    noise = 0.1 * torch.randn(2, 3, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    wave = torch.sin(3 * places(4, 16, 16))
    wave = wave * (noise.abs().mean() / wave.abs().mean())
    assert warp_magnitude_loss(wave) == pytest.approx(warp_magnitude_loss(noise).item(), rel=1e-4)
    assert warp_smoothness_loss(noise) > 3 * warp_smoothness_loss(wave)


def test_a_flat_volume_has_no_depth_to_vary_in():
    assert warp_smoothness_loss(torch.ones(1, 3, 1, 4, 4)) == 0
    assert warp_smoothness_loss(torch.zeros(1, 3, 2, 4, 4, dtype=torch.bfloat16)) == 0


def test_a_residual_of_more_channels_is_measured_alike():
    residual = torch.zeros(1, 4, 4, 8, 8)
    residual[:, 3] = 0.6 * places()[:1, 0]  # one channel of four rises along x
    assert warp_smoothness_loss(residual) == pytest.approx(0.15, rel=1e-4)
    assert warp_magnitude_loss(torch.full((1, 4, 2, 2, 2), -0.2)) == pytest.approx(0.2)
