"""Runs that leave the precision open compute in bfloat16 only where that is quick."""

import json

import pytest
import torch
from toy import toy_config

from vasa.training import precision
from vasa.training.precision import chosen_precision, cpu_has_bf16
from vasa.training.run_folder import RunFolder
from vasa.training.runner import train

AUTO = {"precision": "auto", "accelerator": "cpu"}


@pytest.mark.parametrize("has", [True, False])
def test_auto_is_bfloat16_where_the_processor_has_it(monkeypatch, has):
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: has)
    assert chosen_precision(AUTO) == ("bf16-mixed" if has else "32-true")
    assert chosen_precision({**AUTO, "precision": "64-true"}) == "64-true"


def test_the_processor_is_asked():
    assert cpu_has_bf16() <= (torch.backends.cpu.get_cpu_capability() == "AVX512")


def test_a_run_is_continued_in_the_precision_that_it_began_with(tmp_path, monkeypatch):
    cfg = toy_config(f"run_dir={tmp_path / 'run'}", "trainer.precision=auto")
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: True)
    folder = RunFolder(train(cfg=cfg))
    assert folder.precision() == "bf16-mixed"
    folder.done.unlink()
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: False)
    train(cfg=cfg)
    assert json.loads((folder.path / "env.json").read_text())["precision"] == "bf16-mixed"
    assert RunFolder(tmp_path / "new").precision() is None
