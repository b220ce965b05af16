"""A tiny set and untrained networks in folders, as `vasa evaluate` takes them."""

from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from data_prep.synth.clip import ClipSpec, make_clip
from vasa.cli.paths import conf_dir
from vasa.data.shards import FaceShardWriter
from vasa.evaluation.settings import EvaluationInputs
from vasa.models.checkpoint import model_hash, save_model
from vasa.training.config import build

LENGTH = 30
ROLES = {"stage1": "stage1/tiny", "expert": "expert/loss", "syncnet": "syncnet/tiny"}
SMALL = {"width": 16, "num_layers": 1, "num_heads": 2}


def composed(name: str, *overrides: str):
    with initialize_config_dir(version_base="1.3", config_dir=conf_dir()):
        return compose(name, list(overrides))


def plain(config: DictConfig) -> dict[str, Any]:
    return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]


def untrained(experiment: str, **changes):
    config = plain(composed("train", f"experiment={experiment}").module.model) | changes
    return build(OmegaConf.create(config)), config


def untrained_inputs(root: Path) -> EvaluationInputs:
    """Seven people in a set, and stage 1, stage 2, an expert and a SyncNet."""
    torch.manual_seed(0)
    with FaceShardWriter(root / "data", clips_per_shard=8, prep_version="1") as writer:
        for person, split in enumerate(["train"] * 3 + ["val"] + ["test"] * 3):
            spec = ClipSpec(
                split=split, person=person, clip=0, size=64, seconds=LENGTH / 25, seed=0
            )
            writer.write(make_clip(spec))
    for role, experiment in ROLES.items():
        net, config = untrained(experiment)
        save_model(net, config, root / role / "model")
    net, config = untrained("stage2/tiny", **SMALL)
    net.stage1_digest.copy_(torch.tensor(list(bytes.fromhex(model_hash(root / "stage1")))))
    save_model(net, config, root / "stage2" / "model")
    folders = {role: root / role for role in ("data", "stage2", *ROLES)}
    return EvaluationInputs(**folders)
