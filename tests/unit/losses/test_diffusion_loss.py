"""The diffusion loss: closed forms, masks and differences in time."""

import torch

from vasa.losses.diffusion import x0_loss


def test_loss_of_the_truth_is_zero():
    x0 = torch.randn(2, 5, 4)
    for order in range(3):
        assert x0_loss(x0, x0, torch.ones(2, 5, dtype=torch.bool), order=order) == 0


def test_loss_is_the_mean_square_over_valid_frames():
    x0, prediction = torch.randn(2, 5, 4), torch.randn(2, 5, 4)
    mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
    squares = (x0 - prediction).square()
    expected = torch.cat((squares[0], squares[1, :2])).mean()
    torch.testing.assert_close(x0_loss(prediction, x0, mask), expected)


def test_errors_of_velocity_and_acceleration_of_a_parabola():
    """An error a + b i + c i^2 in frame i has velocity b + c (2 i + 1) and acceleration 2 c."""
    frame = torch.arange(6.0)
    error = (3.0 + 0.5 * frame + 0.25 * frame**2)[None, :, None].expand(1, 6, 2)
    mask = torch.ones(1, 6, dtype=torch.bool)
    velocity = 0.5 + 0.25 * (2 * frame[:-1] + 1)
    truth = torch.randn(1, 6, 2)
    torch.testing.assert_close(
        x0_loss(truth + error, truth, mask, order=1), velocity.square().mean()
    )
    torch.testing.assert_close(x0_loss(truth + error, truth, mask, order=2), torch.tensor(0.25))


def test_a_difference_with_a_frame_that_does_not_count_is_left_out():
    mask = torch.tensor([[True, True, False, True, True]])
    prediction = torch.tensor([0.0, 1.0, 100.0, 5.0, 7.0])[None, :, None]
    truth = torch.zeros(1, 5, 1)
    assert x0_loss(prediction, truth, mask, order=1) == (1 + 4) / 2
    assert x0_loss(prediction, truth, mask, order=2) == 0


def test_padding_carries_no_gradient():
    prediction = torch.randn(1, 4, 4, requires_grad=True)
    mask = torch.tensor([[True, True, False, False]])
    loss = sum(x0_loss(prediction, torch.zeros(1, 4, 4), mask, order=order) for order in range(3))
    loss.backward()
    assert prediction.grad is not None and (prediction.grad[:, 2:] == 0).all()


def test_nothing_valid_is_zero():
    mask = torch.zeros(1, 4, dtype=torch.bool)
    assert x0_loss(torch.ones(1, 4, 4), torch.zeros(1, 4, 4), mask) == 0
