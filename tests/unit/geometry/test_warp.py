"""Warps: the identity returns its input, a warp and its inverse cancel, points follow volumes."""

import pytest
import torch

from vasa.geometry.warp import (
    frontal_grid,
    head_grid,
    identity_grid,
    pose_points,
    sample_volume,
    unpose_points,
    warp_from_canonical,
    warp_to_canonical,
)

STILL = torch.zeros(1, 6)


@pytest.fixture
def smooth_volume() -> torch.Tensor:
    """A volume so smooth that trilinear interpolation hardly changes it."""
    grid = identity_grid(16, 24, 24, device=torch.device("cpu"))[0]
    x, y, z = grid.unbind(-1)
    return torch.stack((x + 0.5 * y, torch.cos(1.5 * y) + z, x * z))[None]


def random_poses(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    spread = torch.tensor([0.4, 0.3, 0.2, 0.1, 0.1, 0.1])
    return torch.randn(count, 6, generator=generator) * spread


def test_identity_warp_returns_its_input():
    volume = torch.randn(2, 5, 4, 6, 7, generator=torch.Generator().manual_seed(0))
    grid = identity_grid(4, 6, 7, device=volume.device).expand(2, -1, -1, -1, -1)
    torch.testing.assert_close(sample_volume(volume, grid), volume, atol=1e-5, rtol=0)
    offsets = torch.zeros(2, 3, 4, 6, 7)
    pose = torch.zeros(2, 6)
    torch.testing.assert_close(warp_to_canonical(volume, pose, offsets), volume, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        warp_from_canonical(volume, pose, offsets), volume, atol=1e-5, rtol=0
    )


def test_points_come_back():
    points = torch.randn(1, 30, 3, generator=torch.Generator().manual_seed(0))
    pose = random_poses(8)
    back = unpose_points(pose_points(points, pose), pose)
    torch.testing.assert_close(back, points.expand(8, -1, -1), atol=1e-5, rtol=0)


def test_rigid_warp_and_its_inverse_cancel(smooth_volume):
    pose = torch.tensor([[0.15, -0.1, 0.1, 0.05, -0.05, 0.05]])
    offsets = torch.zeros(1, 3, *smooth_volume.shape[2:])
    there = warp_from_canonical(smooth_volume, pose, offsets)
    back = warp_to_canonical(there, pose, offsets)
    middle = (..., slice(4, -4), slice(6, -6), slice(6, -6))
    assert (there - smooth_volume)[middle].abs().max() > 0.1
    torch.testing.assert_close(back[middle], smooth_volume[middle], atol=0.02, rtol=0)


def test_constant_offset_moves_the_content(smooth_volume):
    offsets = torch.zeros(1, 3, *smooth_volume.shape[2:])
    offsets[:, 0] = 2 / 24 * 3  # three voxels in x
    moved = warp_from_canonical(smooth_volume, STILL, offsets)
    torch.testing.assert_close(moved[..., :-3], smooth_volume[..., 3:], atol=1e-5, rtol=0)
    moved = warp_to_canonical(smooth_volume, STILL, offsets)
    torch.testing.assert_close(moved[..., :-3], smooth_volume[..., 3:], atol=1e-5, rtol=0)


def test_a_blob_goes_where_its_point_goes():
    """A bright spot at q in the canonical volume is seen at p(q) in the posed one."""
    side = 33
    grid = identity_grid(side, side, side, device=torch.device("cpu"))
    q = torch.tensor([0.3, -0.2, -0.4])
    volume = torch.exp(-((grid - q).square().sum(-1)) / 0.02)[:, None]
    pose = torch.tensor([[0.3, 0.2, -0.1, 0.1, 0.05, 0.1]])
    posed = warp_from_canonical(volume, pose, torch.zeros(1, 3, side, side, side))
    weights = posed[0, 0] / posed.sum()
    centre = (weights[..., None] * grid[0]).sum((0, 1, 2))
    torch.testing.assert_close(centre, pose_points(q[None, None], pose)[0, 0], atol=0.02, rtol=0)


CROP = {"centre": (0.0, 0.1), "half_side": 0.5, "bowl_radius": 0.8, "bowl_depth": 0.4}


def test_frontal_grid_is_a_crop_at_rest_and_follows_translation():
    grid = frontal_grid(STILL, 8, **CROP)
    expected = identity_grid(1, 8, 8, device=torch.device("cpu"))[0, 0, ..., :2] * 0.5
    expected = expected + torch.tensor([0.0, 0.1])
    torch.testing.assert_close(grid[0], expected, atol=1e-6, rtol=0)
    moved = frontal_grid(torch.tensor([[0, 0, 0, 0.2, -0.1, 0.0]]), 8, **CROP)
    torch.testing.assert_close(moved[0] - expected, torch.tensor([0.2, -0.1]).expand(8, 8, 2))


def test_frontal_grid_follows_the_nose():
    """With yaw > 0 the nose goes to picture left, and the crop's centre with it."""
    grid = frontal_grid(torch.tensor([[0.4, 0, 0, 0, 0, 0.0]]), 9, **(CROP | {"centre": (0, 0)}))
    assert grid[0, 4, 4, 0] < -0.1
    assert abs(grid[0, 4, 4, 1]) < 1e-6


def test_places_are_float32_under_autocast():
    """Bfloat16 places moved faces by a quarter of a voxel and hid small turns from gradients."""
    pose = random_poses(3)
    bowl = {"centre": (0.0, 0.2), "half_side": 0.5, "bowl_radius": 0.9, "bowl_depth": 0.6}

    def grids() -> list[torch.Tensor]:
        return [head_grid(pose, 4, 8, 8), frontal_grid(pose, 16, **bowl)]

    expected = grids()
    with torch.autocast("cpu", torch.bfloat16):
        found = grids()
    for one, other in zip(expected, found, strict=True):
        assert other.dtype == torch.float32 and torch.equal(one, other)


def test_a_small_turn_moves_a_bfloat16_volume(smooth_volume):
    """Ten turns of 0.002 rad are ten pictures; read at bfloat16 places they were two."""
    volume = smooth_volume.bfloat16().expand(10, -1, -1, -1, -1)
    pose = torch.zeros(10, 6)
    pose[:, 0] = torch.arange(10) * 0.002
    posed = warp_from_canonical(volume.float(), pose, torch.zeros(10, 3, 4, 4, 4))
    low = warp_from_canonical(volume, pose, torch.zeros(10, 3, 4, 4, 4))
    assert low.dtype == torch.bfloat16
    assert len({tuple(one.flatten().tolist()) for one in low}) == 10
    torch.testing.assert_close(low.float(), posed, atol=4e-3, rtol=4e-3)
