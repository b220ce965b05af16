"""What is measured of a run is right, and measuring changes nothing of it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from records import metrics_of, weights_of
from torch.utils import flop_counter
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack
from toy import toy_config

from vasa.training import flops as flops_module
from vasa.training import speed as speed_module
from vasa.training.flops import StepFlops, peak_tflops
from vasa.training.logged import MACHINE
from vasa.training.runner import train
from vasa.training.speed import Speed

ROWS, INPUTS, WIDTH = 8, 4, 8
FORWARD = 2 * ROWS * INPUTS * WIDTH + 2 * ROWS * WIDTH
STEP_FLOPS = 2 * FORWARD + 2 * ROWS * WIDTH
"""Every product again for its weights; the gradient of the inputs is that of the second layer."""


def lines_of(folder: Path) -> list[dict[str, float]]:
    return [json.loads(text) for text in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = ("log_every=3", "trainer.peak_tflops=0.001")
    return train(cfg=toy_config(f"run_dir={tmp_path_factory.mktemp('run')}", *words))


def test_a_line_has_the_speed_of_its_steps(run):
    for line in lines_of(run):
        assert line["speed/samples_per_s"] == pytest.approx(ROWS * line["speed/steps_per_s"])
        counted = 1e12 * line["speed/tflops_per_s"] / line["speed/steps_per_s"]
        assert counted == pytest.approx(STEP_FLOPS)
        utilisation = 1000 * line["speed/tflops_per_s"]
        assert line["speed/flops_utilisation"] == pytest.approx(utilisation)
        assert 0 <= line["speed/data_wait_share"] < 1
        assert 0.1 < line["device/memory_gb"] < 20


def test_comparisons_leave_out_the_clock_alone(run):
    assert not any(name.startswith(MACHINE) for line in metrics_of(run) for name in line)
    kept = {"step", "train/loss", "train/gradient_norm", "train/learning_rate"}
    assert kept <= set(metrics_of(run)[0])


@pytest.mark.parametrize("looks", [0, 100])
def test_counting_changes_nothing(run, tmp_path, monkeypatch, looks):
    monkeypatch.setattr(flops_module, "LOOKS", looks)
    other = train(cfg=toy_config(f"run_dir={tmp_path}", "log_every=3"))
    assert metrics_of(other) == metrics_of(run)
    weights = weights_of(run)
    assert all(torch.equal(weights[name], value) for name, value in weights_of(other).items())
    assert ("speed/tflops_per_s" in lines_of(other)[0]) == bool(looks)


def test_what_cannot_be_counted_stops_nothing(tmp_path, monkeypatch):
    def refuse(*_: Any, **__: Any) -> int:
        raise ValueError("no such shape")

    registry = dict.fromkeys(flop_counter.flop_registry, refuse)
    monkeypatch.setattr(flops_module, "flop_registry", registry)
    found = lines_of(train(cfg=toy_config(f"run_dir={tmp_path}")))
    assert "speed/steps_per_s" in found[0] and "speed/tflops_per_s" not in found[0]


def test_each_phase_is_counted_and_what_a_step_does_beside_is_not():
    """Three wide steps, then narrow ones; the first of each kind does something twice."""
    width = {0: 6, 1: 2}
    module = SimpleNamespace(phase=lambda step: int(step >= 3))
    data = SimpleNamespace(batches_consumed=0)
    counting = StepFlops()
    totals = []
    for step, times in enumerate((2, 1, 1, 2, 1, 1)):
        data.batches_consumed = step
        counting.on_train_batch_start(SimpleNamespace(datamodule=data), module)  # type: ignore[arg-type]
        for _ in range(times):
            torch.mm(torch.ones(1, width[int(step >= 3)]), torch.ones(width[int(step >= 3)], 1))
        counting.on_train_batch_end()
        totals.append(counting.total)
    assert totals == [24, 36, 48, 56, 60, 64]


def test_an_error_in_a_counted_step_leaves_nothing_behind(tmp_path):
    with pytest.raises(FloatingPointError):
        train(cfg=toy_config(f"run_dir={tmp_path}", "module.nan_from=0"))
    assert not _get_current_dispatch_mode_stack()


def test_waiting_is_from_the_end_of_a_batch_to_the_start_of_the_next(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(speed_module.time, "monotonic", lambda: clock.now)
    data = SimpleNamespace(size_of=lambda batch: (len(batch), 2 * len(batch)))
    trainer: Any = SimpleNamespace(
        datamodule=data, world_size=3, strategy=SimpleNamespace(root_device=torch.device("cpu"))
    )
    speed = Speed(flops=StepFlops(), peak=None, precision="32-true")
    speed.on_train_start(trainer)
    for loading, training in ((3.0, 1.0), (2.0, 2.0)):
        clock.now += loading
        speed.on_train_batch_start(trainer, None, torch.zeros(5))  # type: ignore[arg-type]
        clock.now += training
        speed.on_train_batch_end()
    found = speed.line()
    assert found["speed/data_wait_share"] == 5 / 8
    assert found["speed/steps_per_s"] == 2 / 8
    assert found["speed/samples_per_s"] == 2 * 5 * 3 / 8
    assert found["speed/frames_per_s"] == 2 * 10 * 3 / 8


@pytest.mark.parametrize(
    ("name", "precision", "peak"),
    [
        ("NVIDIA H200", "bf16-mixed", 989),
        ("NVIDIA H100 80GB HBM3", "32-true", 67),
        ("NVIDIA H100 PCIe", "16-mixed", 756),
        ("NVIDIA A100-SXM4-80GB", "bf16-mixed", 312),
        ("NVIDIA GeForce RTX 4090", "bf16-true", 165.2),
        ("NVIDIA Something 9000", "bf16-mixed", None),
    ],
)
def test_peaks_are_those_of_the_device(monkeypatch, name, precision, peak):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: name)
    assert peak_tflops(torch.device("cuda"), precision=precision) == peak
    assert peak_tflops(torch.device("cpu"), precision=precision) is None
