"""A line holds means of what its steps logged, and last values of counts and validation."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from toy import toy_config

from vasa.training import runner
from vasa.training.flops import StepFlops
from vasa.training.logged import without_machine
from vasa.training.mirrors import Mirrors
from vasa.training.record import Record
from vasa.training.run_folder import RunFolder
from vasa.training.runner import train
from vasa.training.speed import Speed

STEPS: list[dict[str, float]] = [
    {"train/loss": 1, "val/x0_loss_t25": 5},
    {"train/loss": 3, "train/cycle": 7},
    {"train/loss": 5, "train/nonfinite_steps": 0},
    {"train/loss": 7, "train/cycle": 1, "train/nonfinite_steps": 1, "val/x0_loss_t25": 2},
    {"train/loss": 9, "train/cycle": 2, "train/nonfinite_steps": 2},
    {"train/loss": 2},
    {"train/loss": 2},
    {"train/loss": 2},
    {"train/loss": 2},
]
EXPECTED = [
    {"train/loss": 3, "val/x0_loss_t25": 5, "train/cycle": 7, "train/nonfinite_steps": 0},
    {"train/loss": 6, "val/x0_loss_t25": 2, "train/cycle": 1.5, "train/nonfinite_steps": 2},
    {"train/loss": 2, "val/x0_loss_t25": 2, "train/cycle": 2, "train/nonfinite_steps": 2},
]


class Steps:
    """A trainer as `Record` sees it; like Lightning it shows what was logged before as well."""

    def __init__(self, *, done: int) -> None:
        self.world_size, self.is_global_zero = 1, True
        self.optimizers: list[Any] = []
        self.strategy = SimpleNamespace(root_device=torch.device("cpu"))
        self.datamodule = SimpleNamespace(batches_consumed=done, num_steps=len(STEPS))
        self.values: dict[str, torch.Tensor] = {}

    @property
    def callback_metrics(self) -> dict[str, torch.Tensor]:
        return {name: value.detach() for name, value in self.values.items()}

    def make(self, record: Record, count: int) -> None:
        for _ in range(count):
            logged = STEPS[self.datamodule.batches_consumed]
            self.values |= {name: torch.tensor(float(value)) for name, value in logged.items()}
            self.datamodule.batches_consumed += 1
            record.on_train_batch_end(self)  # type: ignore[arg-type]


def opened(tmp_path, steps: Steps, *, state: dict[str, Any] | None = None) -> Record:
    speed = Speed(flops=StepFlops(), peak=None, precision="32-true")
    record = Record(folder=RunFolder(tmp_path), mirrors=Mirrors({}), every=3, speed=speed)
    if state is not None:
        record.load_state_dict(state)
    record.on_train_start(steps)  # type: ignore[arg-type]
    return record


@pytest.mark.parametrize("stop", [0, 1, 2, 4, 5, 6, 8])
def test_lines_are_means_or_last_values_whenever_the_run_was_continued(tmp_path, stop):
    """What stands because no step of a line logged it is its last value."""
    first = Steps(done=0)
    record = opened(tmp_path, first)
    first.make(record, stop)
    state = json.loads(json.dumps(record.state_dict()))
    second = Steps(done=stop)
    second.make(opened(tmp_path, second, state=state), len(STEPS) - stop)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    found = [without_machine(json.loads(line)) for line in lines]
    assert [line.pop("step") for line in found] == [3, 6, 9]
    assert found == EXPECTED


def test_mirrors_of_a_run_killed_after_its_last_step_have_its_record(tmp_path, monkeypatch):
    """Nothing is left to train, and a mirror that begins anew knows nothing."""
    begun: list[tuple[int, int]] = []

    class Mirror(Mirrors):
        def begin(self, record, *, step):
            begun.append((step, len(record.read_text().splitlines()) if record.is_file() else 0))

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "open_mirrors", lambda **_: Mirror({}))
    cfg = toy_config(f"run_dir={tmp_path}", "log_every=1", "sample_every=0")
    with monkeypatch.context() as patch:
        patch.setattr(runner, "save_model", killed)
        with pytest.raises(KeyboardInterrupt):
            train(cfg=cfg)
    train(cfg=cfg)
    assert begun == [(0, 0), (cfg.max_steps, cfg.max_steps)]
    assert (tmp_path / "done.json").is_file()
