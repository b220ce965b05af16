import torch

from vasa.losses.diffusion import part_weights, x0_loss

WEIGHTS = torch.ones(4)


def test_loss_of_the_truth_is_zero():
    x0 = torch.randn(2, 5, 4)
    assert x0_loss(x0, x0, torch.ones(2, 5, dtype=torch.bool), WEIGHTS) == 0


def test_loss_is_the_mean_square_over_valid_frames():
    x0, prediction = torch.randn(2, 5, 4), torch.randn(2, 5, 4)
    mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
    squares = (x0 - prediction).square()
    expected = torch.cat((squares[0], squares[1, :2])).mean()
    torch.testing.assert_close(x0_loss(prediction, x0, mask, WEIGHTS), expected)


def test_padding_carries_no_gradient():
    prediction = torch.randn(1, 4, 4, requires_grad=True)
    mask = torch.tensor([[True, True, False, False]])
    x0_loss(prediction, torch.zeros(1, 4, 4), mask, WEIGHTS).backward()
    assert prediction.grad is not None and (prediction.grad[:, 2:] == 0).all()


def test_nothing_valid_is_zero():
    mask = torch.zeros(1, 4, dtype=torch.bool)
    assert x0_loss(torch.ones(1, 4, 4), torch.zeros(1, 4, 4), mask, WEIGHTS) == 0


def test_part_weights_have_mean_one():
    weights = part_weights(num_pose=2, num_dyn=6, pose=1.0, dyn=3.0)
    torch.testing.assert_close(weights.mean(), torch.tensor(1.0))
    torch.testing.assert_close(weights[2:] / weights[:1], torch.full((6,), 3.0))
    assert torch.equal(part_weights(num_pose=6, num_dyn=3, pose=1.0, dyn=1.0), torch.ones(9))
