"""The margin contrastive loss in closed form."""

import pytest
import torch

from vasa.losses.sync_pairs import margin_contrastive_loss


def pairs_at(distances: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    audio = torch.randn(len(distances), 6, generator=torch.Generator().manual_seed(0))
    way = torch.nn.functional.normalize(torch.ones(6), dim=0)
    return audio + torch.tensor(distances)[:, None] * way, audio


def test_closed_form():
    video, audio = pairs_at([2.0, 0.5, 1.0, 7.0])
    is_match = torch.tensor([True, True, False, False])
    # 2^2, 0.5^2, (3 - 1)^2, and nothing beyond the margin
    wanted = (4 + 0.25 + 4 + 0) / 8
    loss = margin_contrastive_loss(video, audio, is_match, margin=3.0)
    assert float(loss) == pytest.approx(wanted, rel=1e-5)


def test_plateau_of_a_network_that_tells_nothing_apart():
    is_match = torch.tensor([True, False])
    losses = {}
    for distance in (4.0, 5.0, 6.0):
        video, audio = pairs_at([distance, distance])
        losses[distance] = float(margin_contrastive_loss(video, audio, is_match, margin=10.0))
    assert losses[5.0] == pytest.approx(10**2 / 8, rel=1e-5)
    assert min(losses, key=losses.__getitem__) == 5.0


def test_gradient_pulls_matches_and_pushes_the_rest_within_the_margin():
    video, audio = pairs_at([2.0, 2.0, 9.0])
    video.requires_grad_()
    is_match = torch.tensor([True, False, False])
    margin_contrastive_loss(video, audio, is_match, margin=5.0).backward()
    towards = (video.grad * (audio - video).detach()).sum(dim=-1)
    assert towards[0] < 0 < towards[1] and towards[2] == 0


def test_pairs_that_coincide_have_a_finite_gradient():
    video = torch.zeros(2, 4, requires_grad=True)
    loss = margin_contrastive_loss(
        video, torch.zeros(2, 4), torch.tensor([True, False]), margin=1.0
    )
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0.25) and video.grad.isfinite().all()
