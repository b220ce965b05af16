"""A loss or a gradient that is not finite: what is written down, and what stays as it was."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_stage1 import ADVERSARY, LEAST, lines_of, train_small, write_inputs
from torch import Tensor
from toy import toy_config

from vasa.training import stage1_losses
from vasa.training.callbacks import NonFiniteGuard
from vasa.training.ema import ModelEma
from vasa.training.runner import train
from vasa.training.stage1 import Stage1Module
from vasa.training.stage1_losses import Stage1Result

NAN = float("nan")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return [*write_inputs(tmp_path_factory.mktemp("nonfinite")), *LEAST]


def spoil(
    monkeypatch: pytest.MonkeyPatch,
    how: Callable[[Stage1Result], Stage1Result],
    *,
    at: int,
    seen: Callable[[Stage1Module, int, Stage1Result], None] = lambda *_: None,
) -> None:
    """Change what the losses of one step are."""
    real = Stage1Module.losses

    def losses(self: Stage1Module, batch: dict[str, Tensor], step: int, *, part: int = 0):
        found = real(self, batch, step, part=part)
        if step == at:
            found = how(found)
        seen(self, step, found)
        return found

    monkeypatch.setattr(Stage1Module, "losses", losses)


def diverged(found: Stage1Result) -> Stage1Result:
    """Everything that is drawn is none; so is the gradient of all that it depends on."""
    terms = dict(found.terms)
    name = "pose" if found.result is None else "reconstruction"
    terms[name] = terms[name] * NAN
    result = None if found.result is None else found.result * NAN
    return replace(found, terms=terms, result=result)


@pytest.mark.parametrize("step", [0, 4])
def test_what_ended_a_run_is_written_down_as_it_was(inputs, tmp_path, monkeypatch, step):
    """The losses of that very step, its first one too, of generator and discriminator."""
    terms: dict[str, Tensor] = {}

    def seen(_: Stage1Module, number: int, found: Stage1Result) -> None:
        if number == step:
            terms.update({name: value.detach() for name, value in found.terms.items()})

    spoil(monkeypatch, diverged, at=step, seen=seen)
    name = "train/pose" if step == 0 else "train/reconstruction"
    with pytest.raises(FloatingPointError, match=f"at step {step}: .*{name} = nan"):
        train_small(inputs, tmp_path, *ADVERSARY)
    dump = json.loads((tmp_path / "nonfinite.json").read_text())
    assert dump["step"] == step
    assert dump["losses"]["train/loss"] == dump["losses"][name] == "nan"
    of_terms = {f"train/{key}" for key in terms}
    assert dump["losses"].keys() == of_terms | {"train/loss"}
    for key, value in terms.items():
        assert float(dump["losses"][f"train/{key}"]) == pytest.approx(float(value), nan_ok=True)
    assert dump["gradients_not_finite"]
    assert all(key.startswith("model.") for key in dump["gradients_not_finite"])


def test_a_step_that_is_left_out_changes_no_weight(inputs, tmp_path, monkeypatch):
    """Neither the generator's nor the discriminator's, nor their average."""
    kept: list[dict[str, Tensor]] = []

    def seen(module: Stage1Module, step: int, _: Stage1Result) -> None:
        callbacks = module.trainer.callbacks  # type: ignore[attr-defined]
        average = next(one for one in callbacks if isinstance(one, ModelEma))
        weights = {f"average.{name}": value for name, value in average.average.items()}
        weights |= dict(module.named_parameters())
        kept.append({name: value.detach().clone() for name, value in weights.items()})

    spoil(monkeypatch, diverged, at=5, seen=seen)
    folder = train_small(inputs, tmp_path, *ADVERSARY, "max_nonfinite_steps=2")
    before, during, after, then = kept[4:8]
    assert any(name.startswith("discriminator.") for name in before)
    assert all(torch.equal(during[name], after[name]) for name in during)
    for one, other in ((before, during), (after, then)):  # the steps beside it do
        for part in ("model.", "discriminator.", "average."):
            names = [name for name in one if name.startswith(part)]
            assert names and any(not torch.equal(one[name], other[name]) for name in names)
    counts = [line.get("train/nonfinite_steps", 0.0) for line in lines_of(folder)]
    assert counts[:5] == [0.0] * 5
    assert counts[5] == 2.0  # the generator's step and the discriminator's


def test_a_loss_that_is_none_ends_the_run_though_its_gradient_is_finite(
    inputs, tmp_path, monkeypatch
):
    def shifted(found: Stage1Result) -> Stage1Result:
        return replace(found, terms={**found.terms, "pose": found.terms["pose"] + NAN})

    spoil(monkeypatch, shifted, at=1)
    with pytest.raises(FloatingPointError, match="train/pose = nan"):
        train_small(inputs, tmp_path, "max_steps=2")
    assert json.loads((tmp_path / "nonfinite.json").read_text())["gradients_not_finite"] == []


def test_a_term_of_weight_0_that_is_none_is_no_part_of_the_loss(inputs, tmp_path, monkeypatch):
    """Neither one that is only looked at, nor one that gradients could flow through."""
    monkeypatch.setattr(stage1_losses, "warp_magnitude_loss", lambda field: field.mean() * NAN)
    real = stage1_losses.transfer_consistency_loss
    monkeypatch.setattr(
        stage1_losses, "transfer_consistency_loss", lambda *a, **k: real(*a, **k) * NAN
    )
    words = ["max_steps=3", "module.weights.consistency=0.0", "module.log_unused_every=1"]
    line = lines_of(train_small(inputs, tmp_path, *words))[2]
    assert line["train/warp_size"] != line["train/warp_size"]
    assert line["train/consistency"] != line["train/consistency"]
    assert 0 < line["train/loss"] < 1e3
    assert line["train/nonfinite_steps"] == 0


def test_a_module_that_does_not_step_by_itself_shows_what_it_logged(tmp_path: Path):
    with pytest.raises(FloatingPointError, match="at step 0.*train/loss = nan"):
        train(cfg=toy_config(f"run_dir={tmp_path}", "module.nan_from=0"))
    dump = json.loads((tmp_path / "nonfinite.json").read_text())
    assert dump["losses"]["train/loss"] == "nan"


def test_the_guard_knows_which_optimiser_was_left_out(tmp_path: Path):
    guard = NonFiniteGuard(folder=None, max_steps=2)  # type: ignore[arg-type]
    assert not guard.has_left_out()
    guard.load_state_dict({"in_a_row": {0: 0, 1: 1}, "num_steps": 1})
    assert not guard.has_left_out() and guard.has_left_out(1)
