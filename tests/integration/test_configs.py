"""Every file under conf/ composes, and what it describes can be built."""

import inspect
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from torch import nn

from vasa.cli import COMMANDS
from vasa.cli.mistakes import options
from vasa.cli.paths import conf_dir
from vasa.evaluation.report.differences import commonest, differing_keys, row_names
from vasa.evaluation.report.run_records import flat
from vasa.evaluation.settings import EvaluationSettings
from vasa.models.checkpoint import save_model
from vasa.training.config import (
    OWN_TRAINER_KEYS,
    TRAINER_KEYS,
    build,
    check_keys,
    check_signatures,
    resolved,
)
from vasa.training.precision import chosen_precision
from vasa.training.runner import build_trainer
from vasa.types import InputError

CONF = Path(conf_dir())
# The group that each folder of conf/ is tested as; `covers everything` keeps this whole.
GROUPS = (
    *("audio_encoder", "evaluation", "experiment", "hydra/launcher"),
    *("hydra/sweeper", "logger", "model", "protocol", "trainer"),
)
# What an experiment leaves to the user: a folder with the saved network of this configuration.
SAVED_INPUTS = {
    "expert": ("experiment/expert/loss", "module.model"),
    "stage1": ("model/face_tiny", ""),
}


def composed(name: str, *overrides: str) -> DictConfig:
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        return compose(config_name=name, overrides=list(overrides))


def files(group: str) -> list[str]:
    return options(group)


def member(group: str, name: str) -> dict[str, Any]:
    """A file of a config group, by itself."""
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        cfg = compose(overrides=[f"+{group}@_global_={name}"])
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Run folders with untrained networks."""
    folders = {}
    for key, (source, inside) in SAVED_INPUTS.items():
        if source.startswith("experiment/"):
            cfg = composed("train", f"experiment={source.removeprefix('experiment/')}")
            node = OmegaConf.select(cfg, inside)
        else:
            node = OmegaConf.create(member(*source.split("/")))
        config = OmegaConf.to_container(node, resolve=True)
        folder = tmp_path_factory.mktemp(key)
        save_model(build(node), config, folder / "model")  # type: ignore[arg-type]
        folders[key] = folder
    return folders


def filled(cfg: DictConfig, saved: dict[str, Path]) -> DictConfig:
    """The user's part of an experiment: folders."""
    for key in sorted(OmegaConf.missing_keys(cfg)):
        last = key.rsplit(".", 1)[-1]
        assert last == "root" or last in saved, f"no input for {key}: add it to SAVED_INPUTS"
        OmegaConf.update(cfg, key, str(saved.get(last, "shards")))
    return cfg


def test_this_file_covers_everything():
    known = {f"{command}.yaml" for command in COMMANDS}
    known |= {f"{group}/{name}.yaml" for group in GROUPS for name in files(group)}
    assert {str(path.relative_to(CONF)) for path in CONF.rglob("*.yaml")} == known


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command):
    cfg = composed(command)
    assert set(cfg), "an empty configuration"
    for key in OmegaConf.missing_keys(cfg):
        OmegaConf.update(cfg, key, "given")
    resolved(cfg)


@pytest.mark.parametrize("name", files("experiment"))
def test_experiment(name, saved):
    cfg = filled(composed("train", f"experiment={name}"), saved)
    check_keys(cfg)
    config = resolved(cfg)
    is_row = name.startswith("ablation/")  # whose runs lie together: runs/<stage>/ablation
    stage = name.removeprefix("ablation/").split("_")[0] if is_row else name.split("/")[0]
    row = name.removeprefix(f"ablation/{stage}_")
    assert (config["stage"], config["name"]) == (
        (stage, f"ablation/{row}") if is_row else tuple(name.split("/"))
    )
    module = build(cfg.module)
    assert isinstance(module, lightning.LightningModule)
    assert isinstance(module.model, nn.Module)
    try:
        assert isinstance(build(cfg.data), lightning.LightningDataModule)
    except InputError as error:  # its arguments fit; the shards are what the user makes
        assert "shards" in str(error)
    assert isinstance(
        build_trainer(config, precision=chosen_precision(config["trainer"])), lightning.Trainer
    )
    names = [name for name, _ in module.named_parameters() if "expert" in name.split(".")[0]]
    assert not names, "frozen experts stay out of the checkpoint"


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_rows_of_an_ablation_differ_from_the_reference_and_from_each_other(stage):
    configs = {
        name: flat(OmegaConf.to_container(composed("train", f"experiment={name}"), resolve=False))
        for name in files("experiment")
        if name.startswith(f"ablation/{stage}_")
    }
    names = list(configs)
    keys = differing_keys(list(configs.values()))
    reference = names.index(f"ablation/{stage}_reference")
    assert reference == commonest(list(configs.values()), keys=keys)
    labels = row_names(list(configs.values()), keys=keys, reference=reference)
    assert len(set(labels)) == len(labels) > 10
    assert not [label for label in labels if label.startswith("variant")], "a row like another"
    base = flat(
        OmegaConf.to_container(composed("train", f"experiment={stage}/tiny"), resolve=False)
    )
    assert not differing_keys([base, configs[names[reference]]])


@pytest.mark.parametrize("name", [n for n in files("experiment") if "ablation/" not in n])
def test_experiment_refuses_a_misspelling(name, saved):
    cfg = filled(composed("train", f"experiment={name}"), saved)
    for where in ("module.sede", "module.model.widht", "data.bacth_size", "max_stpes"):
        wrong = cfg.copy()
        OmegaConf.set_struct(wrong, False)
        OmegaConf.update(wrong, where, 1)
        with pytest.raises(ValueError, match=where.rsplit(".", 1)[-1]):
            check_keys(wrong)


@pytest.mark.parametrize("name", files("model"))
def test_model(name):
    config = member("model", name)
    if config.get("audio") == "???":  # the experiment's choice
        config["audio"] = member("audio_encoder", "log_mel")
    check_signatures(config)
    with torch.device("meta"):
        assert isinstance(build(OmegaConf.create(config)), nn.Module)


@pytest.mark.parametrize("name", files("audio_encoder"))
def test_audio_encoder(name):
    config = member("audio_encoder", name)
    assert config["_target_"].startswith("vasa.")
    check_signatures(config)


@pytest.mark.parametrize("name", files("evaluation"))
def test_evaluation(name):
    config = resolved_evaluation(name)
    assert EvaluationSettings.from_config(config).name == name
    check_signatures(config)


def resolved_evaluation(name: str) -> dict[str, Any]:
    cfg = composed("evaluate", f"evaluation={name}").evaluation
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]


@pytest.mark.parametrize("name", files("protocol"))
def test_protocol(name):
    cfg = composed("evaluate", f"protocol={name}").evaluation
    settings = EvaluationSettings.from_config(OmegaConf.to_container(cfg))  # type: ignore[arg-type]
    assert settings.name == name
    assert settings.protocols != composed("evaluate").evaluation.protocols


@pytest.mark.parametrize("name", files("trainer"))
def test_trainer(name):
    config = member("trainer", name)
    assert set(config) == TRAINER_KEYS
    assert set(config) - OWN_TRAINER_KEYS <= set(inspect.signature(lightning.Trainer).parameters)


@pytest.mark.parametrize("name", files("logger"))
def test_logger(name):
    assert member("logger", name) == {"kind": name, "project": "vasa"}
