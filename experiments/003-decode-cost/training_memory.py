"""What training stage 1 keeps in memory on one device: weights and optimiser, and activations.

usage: python experiments/003-decode-cost/training_memory.py [PAGE]

Counted on tensors without content, in float32: the bytes that the autoencoder's forward pass keeps
for its gradient (its own parameters left out), a pair more, in the passes of a training step. With
a PAGE its table is replaced.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from vasa.cli.paths import conf_dir
from vasa.evaluation.report.marks import put_between
from vasa.models.face_autoencoder import FaceAutoencoder
from vasa.training.config import build

STATE_BYTES = 4 + 4 + 8 + 4
"""Of a parameter: float32 weight and gradient, AdamW's two moments, the average of the weights."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Of one preset.

    Attributes:
        batch_size: pairs of a step in all.
        parameters: of the autoencoder.
        adversary: parameters of the discriminator.
        plain_gb: activations a pair, all kept.
        checkpointed_gb: activations a pair, where residual blocks keep their input alone.
    """

    batch_size: int
    parameters: int
    adversary: int
    plain_gb: float
    checkpointed_gb: float

    @property
    def state_gb(self) -> float:
        """Weights, gradients, moments and average; an adversary has no average."""
        return (STATE_BYTES * self.parameters + (STATE_BYTES - 4) * self.adversary) / 1e9


def memory_of(preset: str) -> Memory:
    """Counts of a preset's experiment."""
    with initialize_config_dir(version_base="1.3", config_dir=conf_dir()):
        cfg = compose(
            "train", [f"experiment=stage1/{preset}", "data.root=none", "module.expert=none"]
        )
    found = {}
    for is_checkpointed in (False, True):
        OmegaConf.update(cfg, "module.model.is_checkpointed", is_checkpointed, force_add=True)
        with torch.device("meta"):
            net = build(cfg.module.model).train()
        kept = [kept_gb(net, pairs, cfg.module.transfer_share) for pairs in (8, 16)]
        found[is_checkpointed] = (kept[1] - kept[0]) / 8
    return Memory(
        batch_size=cfg.data.batch_size,
        parameters=_parameters(cfg.module.model),
        adversary=0 if cfg.module.discriminator is None else _parameters(cfg.module.discriminator),
        plain_gb=found[False],
        checkpointed_gb=found[True],
    )


def _parameters(node: DictConfig) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(node).parameters())


def kept_gb(net: FaceAutoencoder, pairs: int, transfer_share: float) -> float:
    """Kept by a step: sources and some drivers are encoded, drivers and thrice some drawn."""
    own = {parameter.untyped_storage()._cdata for parameter in net.parameters()}
    storages: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            storages[storage._cdata] = storage
        return tensor

    some = max(2, round(pairs * transfer_share))
    side = net.image_size
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        faces = net.encode(torch.zeros(pairs + some, 3, side, side, device="meta"))
        for rows in (torch.arange(pairs), torch.arange(3 * some) % (pairs + some)):
            net.decode(
                replace(
                    faces,
                    app_volume=faces.app_volume[rows],
                    z_id=faces.z_id[rows],
                    z_pose=faces.z_pose[rows],
                    z_dyn=faces.z_dyn[rows],
                )
            )
    return sum(storage.nbytes() for storage in storages.values()) / 1e9


def table() -> str:
    """All presets as Markdown."""
    lines = [
        "| preset | parameters, M | of the adversary, M | state, GB | activations a pair, GB "
        "| checkpointed, GB | pairs a step |",
        "| --- |" + " --- |" * 6,
    ]
    for preset in ("tiny", "small", "base", "paper"):
        one = memory_of(preset)
        lines.append(
            f"| {preset} | {one.parameters / 1e6:.1f} | {one.adversary / 1e6:.1f} "
            f"| {one.state_gb:.2f} | {one.plain_gb:.2f} | {one.checkpointed_gb:.2f} "
            f"| {one.batch_size} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    text = table()
    print(text)
    if len(sys.argv) > 1:
        put_between(Path(sys.argv[1]), "memory", text)
