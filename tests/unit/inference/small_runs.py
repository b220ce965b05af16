"""Run folders with random networks of the smallest size: what generation needs, untrained."""

from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from vasa.cli.paths import conf_dir
from vasa.models.checkpoint import model_hash, save_model
from vasa.models.motion_statistics import MotionStatistics


def save_small_runs(root: Path) -> Path:
    """`stage1`, `stage2` (of that stage 1) and `expert` below `root`."""
    torch.manual_seed(0)
    stage1 = _model("stage1/tiny", "data.root=x", "module.expert=x")
    save_model(*stage1, root / "stage1" / "model")
    expert = _model("expert/loss", "data.root=x")
    save_model(*expert, root / "expert" / "model")
    net, config = _model(
        "stage2/tiny",
        "data.root=x",
        "module.stage1=x",
        "module.model.width=32",
        "module.model.num_layers=1",
        "module.model.num_heads=2",
        "module.model.window=10",
        "module.model.num_previous=3",
    )
    features, motion = net.audio.dim, net.num_motion
    net.set_statistics(
        MotionStatistics(
            motion_mean=torch.zeros(motion),
            motion_std=torch.full((motion,), 0.05),
            audio_mean=torch.zeros(features),
            audio_std=torch.ones(features),
            gaze_mean=torch.zeros(2),
            gaze_std=torch.ones(2),
            distance_mean=torch.ones(1),
            distance_std=torch.ones(1),
            stage1_hash=model_hash(root / "stage1"),
        )
    )
    save_model(net, config, root / "stage2" / "model")
    return root


def _model(experiment: str, *overrides: str):
    with initialize_config_dir(version_base="1.3", config_dir=conf_dir()):
        cfg = compose(config_name="train", overrides=[f"experiment={experiment}", *overrides])
    config = OmegaConf.to_container(cfg.module.model, resolve=True)
    return instantiate(cfg.module.model), config
