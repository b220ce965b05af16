"""The cycle consistency of the dynamics code, in closed form."""

import math

import pytest
import torch

from vasa.losses.dynamics_cycle import CycleCodes, dynamics_cycle_loss

E = torch.eye(8)


def codes(result, cross_result, driver, other_driver) -> CycleCodes:
    return CycleCodes(
        result=result[None],
        cross_result=cross_result[None],
        driver=driver[None],
        other_driver=other_driver[None],
    )


@pytest.mark.parametrize(
    ("case", "positive", "negative"),
    [
        (codes(E[0], E[0], E[0], E[1]), 1, 0),  # as it should be
        (codes(E[0], E[0], E[1], E[0]), 0, 1),  # shows the other's dynamics
        (codes(E[0], E[0], E[0], E[0]), 1, 1),  # all codes are one
        (codes(E[0], E[1], E[2], E[3]), 0, 0),  # unrelated
        (codes(E[0], E[0], E[0], -E[0]), 1, -1),
        (codes(3 * E[0], 0.2 * E[0], 9 * E[0], 5 * E[1]), 1, 0),  # lengths do not count
    ],
)
def test_known_angles(case, positive, negative):
    scale, margin = 5.0, 0.2
    above = math.exp(scale * (positive - margin))
    wanted = -2 * math.log(above / (above + 2 * math.exp(scale * negative)))
    found = dynamics_cycle_loss(case, scale=scale, margin=margin)
    assert found.item() == pytest.approx(wanted, rel=1e-5, abs=1e-6)
    short = 2 * math.log1p(2 * math.exp(scale * (negative - positive + margin)))
    assert wanted == pytest.approx(short, rel=1e-9)


def test_each_positive_pair_meets_both_negative_pairs():
    case = codes(E[0], E[1], E[0], E[1])  # the cross result shows its own driver
    scale, margin = 2.0, 0.1
    first, second = math.exp(scale * (1 - margin)), math.exp(scale * (0 - margin))
    below = math.exp(0) + math.exp(scale)
    wanted = -math.log(first / (first + below)) - math.log(second / (second + below))
    assert dynamics_cycle_loss(case, scale=scale, margin=margin) == pytest.approx(wanted, rel=1e-5)


def test_the_margin_asks_for_more():
    case = codes(E[0], E[0], E[0], E[1])
    losses = [dynamics_cycle_loss(case, scale=5.0, margin=m).item() for m in (0.0, 0.2, 0.5)]
    assert losses[0] < losses[1] < losses[2]


def test_stable_at_large_scales_and_finite_at_zero_codes():
    wrong = codes(E[0], E[0], E[1], E[0])
    assert dynamics_cycle_loss(wrong, scale=1e4, margin=0.2) == pytest.approx(
        2 * (1.2e4 + math.log(2)), rel=1e-5
    )
    rows = [torch.zeros(1, 8, requires_grad=True) for _ in range(4)]
    zero = CycleCodes(result=rows[0], cross_result=rows[1], driver=rows[2], other_driver=rows[3])
    loss = dynamics_cycle_loss(zero, scale=5.0, margin=0.2)
    assert loss.item() == pytest.approx(2 * math.log1p(2 * math.exp(1.0)), rel=1e-5)
    loss.backward()
    assert all(row.grad is not None and row.grad.isfinite().all() for row in rows)


def random_codes(*order: int) -> CycleCodes:
    """Result, cross result, driver, other driver from four random batches, in this order."""
    generator = torch.Generator().manual_seed(0)
    values = [torch.randn(3, 8, generator=generator).requires_grad_() for _ in range(4)]
    names = ("result", "cross_result", "driver", "other_driver")
    return CycleCodes(**{name: values[at] for name, at in zip(names, order, strict=True)})


def test_gradient_turns_results_to_the_driver():
    case = random_codes(0, 1, 2, 3)
    dynamics_cycle_loss(case, scale=5.0, margin=0.2).backward()
    for code in (case.result, case.cross_result):
        assert code.grad is not None
        moved = (code - 0.5 * code.grad).detach()
        to_driver = torch.cosine_similarity(moved, case.driver) - torch.cosine_similarity(
            code, case.driver
        )
        to_other = torch.cosine_similarity(moved, case.other_driver) - torch.cosine_similarity(
            code, case.other_driver
        )
        assert to_driver.mean() > 0 > to_other.mean()
    assert case.driver.grad is not None and case.driver.grad.abs().sum() > 0


def test_own_and_cross_result_stand_alike():
    first = dynamics_cycle_loss(random_codes(0, 1, 2, 3), scale=5.0, margin=0.2)
    second = dynamics_cycle_loss(random_codes(1, 0, 2, 3), scale=5.0, margin=0.2)
    swapped = dynamics_cycle_loss(random_codes(0, 1, 3, 2), scale=5.0, margin=0.2)
    torch.testing.assert_close(first, second)
    assert (first - swapped).abs() > 0.1
