"""The cost of a training step: of the trained step itself, at a batch that fits, or left out."""

import json
import math
from pathlib import Path

import pytest
import torch
import yaml
from omegaconf import OmegaConf
from small_faces import write_small_faces

from vasa.cli import main, train_cost
from vasa.cli.random_batches import RandomFaces
from vasa.cli.train_cost import Plan, StepTiming, StepWork, fitting, train_step_costs
from vasa.data.face_datamodule import FaceDataModule
from vasa.training.config import build

WORK = StepWork(device="cpu", num_threads=1, steps=8, warmup_steps=2, budget_s=100.0)
CONFIG = {
    "data": {"batch_size": 16, "frames_per_clip": 2},
    "trainer": {"precision": "bf16-mixed"},
    "module": {"discriminator": None},
}
TIMING = StepTiming(step_s=0.5, peak_gb=3.0, parameters=7_000_000)


def test_the_largest_batch_that_the_time_allows():
    assert fitting(16, work=WORK, step_s=None) == Plan(batch_size=16, steps=8, warmup_steps=2)
    assert fitting(16, work=WORK, step_s=10.0) == Plan(batch_size=16, steps=8, warmup_steps=2)
    assert fitting(16, work=WORK, step_s=11.0) == Plan(batch_size=8, steps=8, warmup_steps=2)
    assert fitting(16, work=WORK, step_s=700.0) == Plan(batch_size=2, steps=1, warmup_steps=0)
    assert fitting(16, work=WORK, step_s=900.0) is None


def test_what_takes_too_long_is_left_out_with_the_reason(monkeypatch):
    monkeypatch.setattr(train_cost, "timing", lambda *_, **__: pytest.fail("it was run"))
    (row,) = train_step_costs(CONFIG, name="paper_512", work=WORK, step_s=8000.0)
    assert math.isnan(row.value)
    assert "1000 s" in row.note and "train_step_budget_s" in row.note


def test_a_batch_that_does_not_fit_the_memory_is_halved(monkeypatch):
    tried = []

    def timing(config, *, batch_size, plan, work):
        tried.append(batch_size)
        return TIMING if batch_size <= 4 else None

    monkeypatch.setattr(train_cost, "timing", timing)
    rows = {row.metric: row for row in train_step_costs(CONFIG, name="x", work=WORK, step_s=None)}
    assert tried == [16, 8, 4]
    assert rows["train_step/x"].value == 4 * 2 / 0.5
    assert rows["train_step/x_batch"].value == 4
    assert rows["train_step/x_parameters"].value == 7.0
    assert "batch of 4 (of the preset 16) x 2 frames, bf16-mixed" in rows["train_step/x"].note
    monkeypatch.setattr(train_cost, "timing", lambda *_, **__: None)
    (row,) = train_step_costs(CONFIG, name="x", work=WORK, step_s=None)
    assert math.isnan(row.value) and "memory" in row.note


def test_random_batches_have_the_form_of_real_ones(tmp_path):
    faces = write_small_faces(tmp_path, num_frames=8)
    common = {"batch_size": 3, "frames_per_clip": 2, "seed": 0, "num_steps": 1, "num_workers": 0}
    real = FaceDataModule(
        root=str(faces), split="train", min_distance=2, cache_gb=0.0, **common
    ).batch_at(0)
    random = RandomFaces(image_size=64, **common).batch_at(0)
    assert {name: value.shape for name, value in random.items()} == {
        name: value.shape for name, value in real.items()
    }
    floating = {name: value.is_floating_point() for name, value in real.items()}
    assert floating == {name: value.is_floating_point() for name, value in random.items()}
    assert random["image"].dtype == real["image"].dtype == torch.uint8


def test_both_stages_are_measured(tmp_path):
    output = tmp_path / "bench.jsonl"
    few = ["train_steps=1", "train_warmup_steps=1", "num_threads=1", f"output={output}"]
    assert main(["bench", "parts=[train_step]", *few]) == 0
    rows = {row["metric"]: row for row in map(json.loads, output.read_text().splitlines())}
    for name, frames in (("tiny_64", 8 * 2), ("motion_tiny", 32 * 50)):
        speed, time_s = rows[f"train_step/{name}"], rows[f"train_step/{name}_s"]
        assert speed["value"] == pytest.approx(frames / time_s["value"])
        assert speed["ratio"] == pytest.approx(speed["value"] / speed["reference"])
        assert 0.2 < rows[f"train_step/{name}_peak_gb"]["value"] < 8
    path = Path(__file__).parents[3] / "conf" / "model" / "face_tiny.yaml"
    net = build(OmegaConf.create(yaml.safe_load(path.read_text())))
    readout = 13 * net.z_dyn_dim + 13  # of mouth, gaze, blink and emotion from z_dyn
    trained = sum(parameter.numel() for parameter in net.parameters()) + readout
    assert rows["train_step/tiny_64_parameters"]["value"] == pytest.approx(trained / 1e6)
