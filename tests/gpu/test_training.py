"""Stage 1 learns a batch on the GPU as `trainer=gpu` trains it: bf16-mixed, losses finite."""

import json
import math

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from vasa.cli.paths import conf_dir
from vasa.models.checkpoint import load_model, save_model
from vasa.training.config import build
from vasa.training.runner import train

pytestmark = pytest.mark.gpu

STEPS = 40


def _config(experiment: str, *overrides: str):
    with initialize_config_dir(version_base="1.3", config_dir=conf_dir()):
        return compose("train", [f"experiment={experiment}", "logger=none", *overrides])


def test_a_few_steps_are_finite_and_the_loss_falls(tmp_path, device, preset, record_property):
    expert = _config("expert/loss", "data.root=x").module.model
    model = OmegaConf.to_container(expert, resolve=True)
    assert isinstance(model, dict)
    save_model(build(expert), model, tmp_path / "expert" / "model")
    cfg = _config(
        f"stage1/{preset}",
        f"trainer={'gpu' if device.type == 'cuda' else 'cpu'}",
        f"module.expert={tmp_path / 'expert'}",
        *(f"max_steps={STEPS}", "module.encoder_steps=0", "module.warmup_steps=2"),
        *("module.lr=1.0e-3", "log_every=1", "sample_every=0", f"run_dir={tmp_path / 'run'}"),
        *("module.weights.bottleneck=0.0", "module.augmentation.code_noise=0.1", "data.root=x"),
    )
    cfg.data = {
        "_target_": "vasa.cli.random_batches.RandomFaces",
        "image_size": cfg.module.model.image_size,
        **{"batch_size": 4, "frames_per_clip": 2, "seed": 0, "num_steps": 0, "num_workers": 0},
    }
    folder = train(cfg=cfg)
    assert json.loads((folder / "env.json").read_text())["precision"] == "bf16-mixed"
    lines = [json.loads(text) for text in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [line["train/reconstruction"] for line in lines]
    assert len(losses) == STEPS
    assert all(math.isfinite(line["train/loss"]) for line in lines)
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert load_model(folder) is not None
    if device.type == "cuda":
        peak = max(line["device/gpu_memory_gb"] for line in lines)
        record_property("peak_gb", peak)
        print(f"stage1/{preset}, 4 pairs: {peak:.2f} GB of the GPU at most")
        assert 0.05 < peak < 40
