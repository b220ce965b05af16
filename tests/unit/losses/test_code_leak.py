"""Leaks of the dynamics code: closed forms, and a code that loses what it should not hold."""

import pytest
import torch

from vasa.losses.code_leak import CodeLeak


def _filled(code: torch.Tensor, pose: torch.Tensor, *, sigma: float) -> CodeLeak:
    leak = CodeLeak(z_dyn_dim=code.shape[1], memory=len(code), sigma=sigma)
    found = leak(code, pose=pose)
    assert float(found.pose) == float(found.identity) == 0  # nothing is known yet
    return leak


def _pose(angles: torch.Tensor) -> torch.Tensor:
    return torch.cat((angles, torch.zeros(len(angles), 3)), dim=1)


def test_pose_leak_is_the_share_of_variance_behind_noise():
    """z = (yaw, other): R2 of yaw is s^2 / (s^2 + sigma^2); pitch and roll have none."""
    generator = torch.Generator().manual_seed(0)
    angles = torch.randn(4096, 3, generator=generator)
    code = torch.stack((2 * angles[:, 0], torch.randn(4096, generator=generator)), dim=1)
    leak = _filled(code, _pose(angles), sigma=1.0)
    found = leak(code, pose=_pose(angles))
    assert float(found.pose) == pytest.approx((4 / 5) / 3, abs=0.01)


def test_identity_leak_is_the_share_of_variance_between_people():
    """z = person + state with variances 9 and 1, no noise: 0.9 of its variance is the person's."""
    generator = torch.Generator().manual_seed(0)
    person = 3 * torch.randn(4096, 2, generator=generator)
    first = person + torch.randn(4096, 2, generator=generator)
    second = person + torch.randn(4096, 2, generator=generator)
    code = torch.cat((first, second))
    pose = torch.randn(len(code), 6, generator=generator)
    leak = _filled(code, pose, sigma=0.0)
    found = leak(code, pose=pose)
    assert float(found.identity) == pytest.approx(0.9, abs=0.02)
    assert float(found.pose) == pytest.approx(0.0, abs=0.01)


def test_descent_removes_the_pose_and_keeps_the_rest():
    """A linear encoder of (yaw, mouth) that is asked for the mouth alone."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.nn.Linear(2, 4, bias=False)
    readout = torch.nn.Linear(4, 1)
    leak = CodeLeak(z_dyn_dim=4, memory=128, sigma=1.0)
    optimiser = torch.optim.Adam([*mixing.parameters(), *readout.parameters()], lr=0.02)
    found = None
    for _ in range(600):
        seen = torch.randn(32, 2, generator=generator)
        code = mixing(seen)
        pose = _pose(torch.cat((seen[:, :1], torch.randn(32, 2, generator=generator)), dim=1))
        found = leak(code, pose=pose)
        loss = (readout(code)[:, 0] - seen[:, 1]).square().mean() + found.pose
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    weight = mixing.weight.detach()
    assert weight[:, 0].norm() < 0.1 * weight[:, 1].norm()


def test_memory_keeps_the_last_codes():
    leak = CodeLeak(z_dyn_dim=1, memory=4, sigma=1.0)
    for value in range(3):
        leak(torch.full((2, 1), float(value)), pose=torch.zeros(2, 6))
    assert sorted(leak.codes.flatten().tolist()) == [1.0, 1.0, 2.0, 2.0]


def test_codes_that_are_not_finite_are_not_remembered():
    leak = CodeLeak(z_dyn_dim=1, memory=4, sigma=1.0)
    leak(torch.tensor([[1.0], [2.0], [3.0], [4.0]]), pose=torch.zeros(4, 6))
    bad = torch.zeros(2, 6)
    bad[1, 0] = torch.nan
    leak(torch.tensor([[torch.inf], [5.0]]), pose=bad)
    assert leak.codes.flatten().tolist() == [1.0, 2.0, 3.0, 4.0]
    found = leak(torch.tensor([[1.0], [6.0]]), pose=torch.zeros(2, 6))
    assert found.pose.isfinite() and found.identity.isfinite()
    assert leak.codes.flatten().tolist() == [1.0, 2.0, 1.0, 6.0]
