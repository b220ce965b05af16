"""The average of the weights against sums done by hand."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from vasa.training.callbacks import NonFiniteGuard
from vasa.training.ema import ModelEma


class Counting(nn.Module):
    """A weight, and buffers of both kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, dtype=torch.float64))
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("level", torch.tensor(0.0, dtype=torch.float64))

    def set(self, value: float) -> None:
        with torch.no_grad():
            self.weight.fill_(value)
            self.get_buffer("count").fill_(int(value))
            self.get_buffer("level").fill_(value)


def started(decay: float) -> tuple[ModelEma, Any, NonFiniteGuard]:
    guard = NonFiniteGuard(folder=None, max_steps=9)  # type: ignore[arg-type]
    average = ModelEma(decay=decay, guard=guard)
    module: Any = SimpleNamespace(model=Counting(), device=torch.device("cpu"))
    module.model.set(7.0)
    average.on_train_start(None, module)  # type: ignore[arg-type]
    return average, module, guard


def step(average: ModelEma, module: Any, value: float) -> None:
    module.model.set(value)
    average.on_train_batch_end(None, module)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("decay", "by_hand"),
    [
        (0.9999, [1 / 10, 2 / 11, 3 / 12, 4 / 13, 5 / 14]),
        (0.2, [1 / 10, 2 / 11, 0.2, 0.2, 0.2]),  # 3/12 is above it
    ],
)
def test_every_step_weighs_what_the_formula_says(decay, by_hand):
    average, module, _ = started(decay)
    wanted = 7.0
    for d, value in zip(by_hand, [1.0, -4.0, 2.0, 8.0, 3.0], strict=True):
        step(average, module, value)
        wanted = d * wanted + (1 - d) * value
        assert average.average["weight"].tolist() == pytest.approx([wanted, wanted], rel=1e-12)
        assert float(average.average["level"]) == pytest.approx(wanted, rel=1e-12)
        assert int(average.average["count"]) == int(value), "whole numbers are copied"


def test_a_step_that_was_left_out_is_none():
    average, module, guard = started(0.9999)
    step(average, module, 1.0)
    kept = {name: value.clone() for name, value in average.average.items()}
    guard.in_a_row[0] = 1
    step(average, module, 5.0)
    assert all(torch.equal(kept[name], value) for name, value in average.average.items())
    guard.in_a_row[0] = 0
    step(average, module, 5.0)
    wanted = (2 / 11) * float(kept["weight"][0]) + (9 / 11) * 5.0
    assert float(average.average["weight"][0]) == pytest.approx(wanted, rel=1e-12)


def test_it_goes_on_where_a_checkpoint_stood():
    average, module, _ = started(0.9999)
    for value in (1.0, 2.0):
        step(average, module, value)
    other, again, _ = started(0.9999)
    other.load_state_dict(average.state_dict())
    other.on_train_start(None, again)  # type: ignore[arg-type]
    for one, its in ((average, module), (other, again)):
        step(one, its, 3.0)
    assert torch.equal(average.average["weight"], other.average["weight"])


def test_own_weights_come_back_also_after_an_error():
    average, module, _ = started(0.9999)
    step(average, module, 1.0)
    with average.swapped_in(module.model):
        assert module.model.weight[0] == average.average["weight"][0] != 1.0
    assert module.model.weight.tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="while drawing"), average.swapped_in(module.model):
        module.model.set(99.0)
        raise RuntimeError("while drawing")
    assert module.model.weight.tolist() == [1.0, 1.0]
    assert int(module.model.count) == 1 and float(module.model.level) == 1.0
    assert average.average["weight"][0] != 99.0
