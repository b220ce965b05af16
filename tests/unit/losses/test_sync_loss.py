"""The contrastive loss over time shifts, in closed form."""

import math

import pytest
import torch

from vasa.losses.sync import sync_contrastive_loss, within_clip_loss


def axes(num_clips: int, num_windows: int) -> torch.Tensor:
    return torch.eye(num_clips * num_windows).reshape(num_clips, num_windows, -1)


def test_orthogonal_windows_closed_form():
    rows = axes(3, 4)
    # 12 candidates: the true one at 1 / tau, the others at 0
    wanted = -math.log(math.exp(5) / (math.exp(5) + 11))
    assert sync_contrastive_loss(rows, rows, temperature=0.2) == pytest.approx(wanted, rel=1e-5)
    wanted = -math.log(math.exp(5) / (math.exp(5) + 3))
    assert within_clip_loss(rows, rows, temperature=0.2) == pytest.approx(wanted, rel=1e-5)


def test_telling_people_apart_does_not_help_within_a_clip():
    # one embedding a person: perfect across clips, blind to time
    rows = torch.eye(3)[:, None].expand(3, 4, 3)
    assert within_clip_loss(rows, rows, temperature=0.1) == pytest.approx(math.log(4), rel=1e-5)


def test_sound_of_another_time_costs_more():
    rows = axes(2, 5)
    late = rows.roll(1, dims=1)
    assert sync_contrastive_loss(rows, late, temperature=0.1) > sync_contrastive_loss(
        rows, rows, temperature=0.1
    )


def test_loss_is_the_same_from_either_side():
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(2, 6, 8, generator=generator)
    second = torch.randn(2, 6, 8, generator=generator)
    for loss in (sync_contrastive_loss, within_clip_loss):
        assert torch.allclose(
            loss(first, second, temperature=1.0), loss(second, first, temperature=1.0)
        )
