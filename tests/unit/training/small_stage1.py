"""Stage 1 on drawn faces, with an expert of random weights: what its tests train."""

import json
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from small_faces import write_small_faces

from vasa.cli.paths import conf_dir
from vasa.models.checkpoint import save_model
from vasa.training.config import build
from vasa.training.runner import train

ADVERSARY = (
    "module.discriminator={_target_: vasa.models.discriminator.MultiScaleDiscriminator, "
    "num_scales: 2, channels: [8, 16, 16]}",
    "module.weights.adversarial=0.1",
    "module.weights.matching=1.0",
    "module.adversary.start_step=4",
)

LEAST = tuple(
    f"module.model.{name}={value}"
    for name, value in {
        "volume_size": "[6,4,32,32]",
        "volume_fold": 1,
        "appearance_channels": "[16]",
        "identity_channels": "[8,8]",
        "pose_channels": "[8,8]",
        "dynamics_channels": "[8,8]",
        "warp_channels": "[8,8]",
        "warp_size": "[2,8,8]",
        "generator_channels": "[16]",
        "refine_channels": 8,
        "blocks_per_stage": 1,
    }.items()
)
"""An autoencoder of a tenth of the preset's work, where its size is not what is tested."""


def write_inputs(root: Path) -> list[str]:
    """A set of drawn faces and an expert with random weights, as a run's overrides."""
    torch.set_num_threads(1)
    data = write_small_faces(root / "faces")
    expert = config("expert/loss", "data.root=x").module.model
    torch.manual_seed(0)
    model: Any = OmegaConf.to_container(expert, resolve=True)
    save_model(build(expert), model, root / "expert" / "model")
    return [f"data.root={data}", f"module.expert={root / 'expert'}"]


def config(experiment: str, *overrides: str) -> DictConfig:
    """conf/train.yaml with an experiment."""
    with initialize_config_dir(version_base="1.3", config_dir=conf_dir()):
        return compose("train", [f"experiment={experiment}", "logger=none", *overrides])


def train_small(
    inputs: list[str], folder: Path, *overrides: str, experiment: str = "stage1/tiny"
) -> Path:
    """Eight steps, two of them of the encoders alone, a line of metrics each."""
    few = ["max_steps=8", "module.encoder_steps=2", "module.warmup_steps=2"]
    few += ["data.batch_size=4"] + ["data.first_batch_size=6"] * experiment.endswith("tiny")
    quiet = ["log_every=1", "sample_every=0", "trainer.precision=32-true", f"run_dir={folder}"]
    return train(cfg=config(experiment, *inputs, *few, *quiet, *overrides))


def lines_of(folder: Path) -> list[dict[str, float]]:
    """metrics.jsonl."""
    return [json.loads(text) for text in (folder / "metrics.jsonl").read_text().splitlines()]


def names_in(line: dict[str, float]) -> set[str]:
    """What a line holds, without `train/`."""
    return {name.removeprefix("train/") for name in line}
