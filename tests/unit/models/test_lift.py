"""Lifting a picture to a volume: nothing of a pixel is lost, and the head's shape turns with it."""

import torch

from vasa.geometry.warp import head_grid
from vasa.models.lift import VolumeLift, shell_logits


def lift(*, is_deep: bool = False) -> VolumeLift:
    torch.manual_seed(0)
    return VolumeLift(
        in_channels=8,
        channels=6,
        depth=4,
        head_radii=[0.6, 0.85, 0.65],
        head_thickness=0.2,
        head_shape=[6, 8, 8],
        still_logit=-3.0,
        is_deep=is_deep,
    )


def test_the_shell_is_likeliest_where_it_is_and_unlikely_behind_the_head():
    radii = torch.tensor([0.6, 0.85, 0.65])
    front = torch.tensor([[0.0, 0.0, -0.65], [0.6, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.65]])
    logits = shell_logits(front.view(1, 1, 1, 4, 3), radii=radii, thickness=0.2).flatten()
    torch.testing.assert_close(logits[:2], torch.zeros(2))
    torch.testing.assert_close(logits[2], torch.tensor(-25.0))
    torch.testing.assert_close(logits[3], torch.tensor(-4.5))


def test_a_pixel_is_spread_over_its_ray_and_kept():
    pixels = torch.rand(2, 3, 16, 16)
    volume = lift()(torch.randn(2, 8, 8, 8), pixels, torch.randn(2, 6) * 0.1)
    assert volume.shape == (2, 6, 4 + 1, 16, 16)
    torch.testing.assert_close(volume[:, :3].sum(2), pixels)
    torch.testing.assert_close(volume[:, 3].sum(1), torch.ones(2, 16, 16))


def test_each_plane_may_have_features_of_its_own():
    """The picture is still spread over the ray; what is behind it differs from plane to plane."""
    pixels, features = torch.rand(2, 3, 16, 16), torch.randn(2, 8, 8, 8)
    pose = torch.randn(2, 6) * 0.1
    shared, deep = (lift(is_deep=kind)(features, pixels, pose) for kind in (False, True))
    assert deep.shape == shared.shape
    torch.testing.assert_close(deep[:, :4], shared[:, :4])

    def rank(volume: torch.Tensor) -> int:  # of the features at one pixel, channel by plane
        return int(torch.linalg.matrix_rank(volume[0, 4:, :, 8, 8]))

    assert (rank(shared), rank(deep)) == (1, 2)


def test_the_learned_shape_turns_with_the_head():
    """A bump of the shape at x > 0 draws pixels to its plane there; rolled over, at x < 0."""
    module = lift()
    with torch.no_grad():
        module.shape[..., 0, :, 4:] = 1.0  # a near plane, the right half
    pixels, features = torch.zeros(2, 3, 16, 16), torch.zeros(2, 8, 8, 8)
    pose = torch.zeros(2, 6)
    pose[1, 2] = torch.pi  # roll by half a turn
    with torch.no_grad():
        near = module(features, pixels, pose)[:, 3, 0]
    torch.testing.assert_close(near[1], near[0].flip(0, 1), atol=1e-4, rtol=0)
    assert near[0, 8, 10] > near[0, 8, 5] + 0.2


def test_the_shape_learns():
    module = lift()
    volume = module(torch.randn(1, 8, 8, 8), torch.rand(1, 3, 16, 16), torch.zeros(1, 6))
    volume[:, 3, 0].sum().backward()
    assert module.shape.grad is not None
    assert module.shape.grad.abs().max() > 0


def test_head_coordinates_of_the_frontal_pose_are_the_grid_itself():
    grid = head_grid(torch.zeros(1, 6), 3, 4, 5)
    assert grid.shape == (1, 3, 4, 5, 3)
    torch.testing.assert_close(grid[0, 1, 0, :, 0], torch.linspace(-0.8, 0.8, 5))
