"""CAPP's contrastive loss, in closed form."""

import math

import pytest
import torch

from vasa.losses.audio_pose import symmetric_contrastive_loss


def test_orthogonal_rows_closed_form():
    rows = torch.eye(6)
    wanted = -math.log(math.exp(5) / (math.exp(5) + 5))
    assert symmetric_contrastive_loss(rows, rows, temperature=0.2) == pytest.approx(wanted)


def test_chance_is_the_log_of_the_batch():
    same = torch.ones(7, 4) / 2
    assert symmetric_contrastive_loss(same, same, temperature=0.1) == pytest.approx(math.log(7))


def test_both_ways_count_alike():
    generator = torch.Generator().manual_seed(0)
    pose, audio = torch.randn(2, 5, 8, generator=generator)
    there = symmetric_contrastive_loss(pose, audio, temperature=1.0)
    assert torch.allclose(there, symmetric_contrastive_loss(audio, pose, temperature=1.0))


def test_wrong_pairs_cost_more():
    rows = torch.eye(5)
    wrong = symmetric_contrastive_loss(rows, rows.roll(1, 0), temperature=0.5)
    assert wrong == pytest.approx(math.log(math.exp(2) + 4))
    assert wrong > symmetric_contrastive_loss(rows, rows, temperature=0.5)
