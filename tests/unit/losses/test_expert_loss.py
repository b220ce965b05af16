"""Losses of the face expert, in closed form."""

import math

import pytest
import torch

from vasa.losses.expert import (
    cosine_margin_loss,
    identity_auc,
    masked_smooth_l1,
    masked_squared_error,
    presence_loss,
)


def test_invalid_rows_do_not_count():
    target = torch.randn(4, 3)
    prediction = target.clone()
    prediction[2] += 100
    valid = torch.tensor([True, True, False, True])
    assert masked_smooth_l1(prediction, target, valid=valid) == 0
    assert masked_smooth_l1(prediction, target, valid=torch.zeros(4, dtype=torch.bool)) == 0
    prediction[0] += 2  # smooth L1 beyond 1 is |x| - 1/2, mean of the three valid rows
    assert masked_smooth_l1(prediction, target, valid=valid) == pytest.approx(1.5 / 3)


def test_the_best_guess_under_squared_error_is_the_mean():
    """Of a weight that is 0 three times in four, an absolute error's best guess is 0."""
    target = torch.tensor([0.0, 0.0, 0.0, 0.8])[:, None]
    valid = torch.ones(4, dtype=torch.bool)
    guesses = torch.linspace(0, 0.8, 81)
    losses = [masked_squared_error(g.expand(4, 1), target, valid=valid) for g in guesses]
    assert guesses[int(torch.stack(losses).argmin())] == pytest.approx(0.2)
    assert losses[0] == pytest.approx(0.5 * 0.8**2 / 4)
    far = target.clone()
    far[0] += 100
    assert masked_squared_error(far, target, valid=torch.arange(4) > 0) == 0


def test_margin_is_taken_from_the_true_speaker():
    embedding = torch.eye(3)
    found = cosine_margin_loss(embedding, 7 * torch.eye(3), torch.arange(3), scale=4.0, margin=0.25)
    assert found == pytest.approx(-math.log(math.exp(3) / (math.exp(3) + 2)), rel=1e-5)


def test_presence_at_zero_is_log_two():
    assert presence_loss(torch.zeros(3), torch.zeros(5)) == pytest.approx(math.log(2))
    assert presence_loss(torch.full((3,), 30.0), torch.full((5,), -30.0)) < 1e-6


def test_auc_identities():
    speaker = torch.tensor([0, 0, 1, 1, 2, 2])
    embedding = torch.eye(3)[speaker]
    assert identity_auc(embedding, speaker) == 1
    assert identity_auc(torch.ones(6, 1), speaker) == 0.5
