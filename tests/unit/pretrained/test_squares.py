"""Rolled square crops: the mapping and its inverse, and what the resampled pictures hold."""

import math

import torch

from vasa.pretrained.squares import Squares, crop_squares


def _squares(*, centre, side, roll):
    return Squares(
        centre=torch.tensor([centre]), side=torch.tensor([side]), roll=torch.tensor([roll])
    )


def test_mapping_and_inverse():
    squares = _squares(centre=[30.0, 40.0], side=20.0, roll=math.pi / 2)
    corner = squares.to_picture(torch.tensor([[[1.0, 0.5, 0.25]]]))
    # the crop's right edge, turned a quarter clockwise, is the picture's bottom
    torch.testing.assert_close(corner, torch.tensor([[[30.0, 50.0, 5.0]]]))
    points = torch.rand(1, 9, 3)
    torch.testing.assert_close(squares.from_picture(squares.to_picture(points)), points)


def test_whole_picture_at_its_own_size_is_the_picture():
    image = torch.rand(2, 3, 16, 16)
    squares = Squares.whole(num=2, height=16, width=16)
    torch.testing.assert_close(crop_squares(image, squares, size=16), image)


def test_large_reduction_keeps_the_mean_and_averages_stripes():
    stripes = torch.zeros(1, 1, 128, 128)
    stripes[..., ::2] = 1
    squares = Squares.whole(num=1, height=128, width=128)
    small = crop_squares(stripes, squares, size=16)
    assert (small - 0.5).abs().max() < 0.11  # sampling every eighth column would give 0 or 1
    assert abs(float(small.mean()) - 0.5) < 0.01


def test_a_quarter_roll_turns_the_picture():
    image = torch.rand(1, 3, 8, 8)
    turned = crop_squares(image, _squares(centre=[4.0, 4.0], side=8.0, roll=math.pi / 2), size=8)
    torch.testing.assert_close(turned, image.rot90(1, (2, 3)), atol=1e-4, rtol=0)


def test_outside_is_zero_or_the_edge():
    image = torch.ones(1, 1, 8, 8)
    away = _squares(centre=[20.0, 4.0], side=8.0, roll=0.0)
    assert crop_squares(image, away, size=8).max() == 0
    assert crop_squares(image, away, size=8, padding="border").min() == 1


def test_gradient_reaches_the_picture():
    image = torch.rand(1, 1, 32, 32, requires_grad=True)
    crop_squares(image, _squares(centre=[16.0, 16.0], side=10.0, roll=0.3), size=8).sum().backward()
    assert image.grad is not None
    assert image.grad[0, 0, 16, 16] > 0
    assert image.grad[0, 0, 0, 0] == 0
