"""The protocol sync from a set to rows and histogram, by an own SyncNet and the published one."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from data_prep.synth.clip import ClipSpec, make_clip
from vasa.cli.paths import conf_dir
from vasa.data.shards import FaceShardWriter
from vasa.evaluation import runner
from vasa.evaluation.report.page import write_report
from vasa.evaluation.settings import EvaluationInputs, EvaluationSettings
from vasa.models.checkpoint import model_hash, save_model
from vasa.models.published_syncnet import PublishedSyncNet
from vasa.pretrained import syncnet as published
from vasa.pretrained.registry import WEIGHTS_VARIABLE, file_sha256
from vasa.training.config import build
from vasa.types import InputError

LENGTH = 30
ROLES = {"stage1": "stage1/tiny", "expert": "expert/loss", "syncnet": "syncnet/tiny"}
SMALL = {"width_divisor": 32, "embedding_dim": 8}


def composed(name: str, *overrides: str) -> DictConfig:
    with initialize_config_dir(version_base="1.3", config_dir=conf_dir()):
        return compose(name, list(overrides))


def plain(config: DictConfig) -> dict[str, Any]:
    return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> SimpleNamespace:
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("sync")
    with FaceShardWriter(root / "data", clips_per_shard=8, prep_version="1") as writer:
        for person in range(3):
            spec = ClipSpec(
                split="test", person=person, clip=0, size=64, seconds=LENGTH / 25, seed=0
            )
            writer.write(make_clip(spec))
    for role, experiment in ROLES.items():
        config = plain(composed("train", f"experiment={experiment}").module.model)
        save_model(build(OmegaConf.create(config)), config, root / role / "model")
    folders = {role: root / role for role in ("data", *ROLES)}
    net = PublishedSyncNet(crop=published.REFERENCE_CROP, **SMALL)
    torch.save(net.state_dict(), root / "syncnet_v2.model")
    return SimpleNamespace(root=root, inputs=EvaluationInputs(**folders, stage2=None))


def run(world: SimpleNamespace, output: Path, syncnet: Path):
    config = plain(composed("evaluate").evaluation)
    config |= {"protocols": ["sync"], "num_clips": 3, "num_resamples": 20, "criteria": []}
    return {
        row.metric: row
        for row in runner.evaluate(
            settings=EvaluationSettings.from_config(config),
            inputs=replace(world.inputs, syncnet=syncnet),
            output=output,
            seed=0,
            device=torch.device("cpu"),
            environment={"command": "vasa evaluate", "commit": "abc"},
        )
    }


@pytest.mark.filterwarnings("ignore:.*official only if")
def test_own_and_official_are_named_apart(world, tmp_path, monkeypatch):
    monkeypatch.setattr(published, "_WIDTHS", SMALL)
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(world.root))
    own = run(world, tmp_path / "own" / "results.jsonl", world.inputs.syncnet)
    official = run(world, tmp_path / "official" / "results.jsonl", Path("official"))
    digest = file_sha256(world.root / "syncnet_v2.model")
    for rows, name, kind, chance in (
        (own, f"own:{model_hash(world.inputs.syncnet)[:8]}", "own", 1 / 25),
        (official, f"official:{digest[:8]}", "official", 1 / 31),
    ):
        assert {row.stamp["syncnet"] for row in rows.values()} == {name}
        assert rows["sync/real_confidence"].unit == f"S_C({kind})"
        assert rows["sync/real_offset_accuracy"].control == pytest.approx(chance)
        assert (tmp_path / kind / "eval" / "sheets" / "13_sync_offsets.png").stat().st_size > 1000
    assert own["sync/real_distance"].stamp["identity"] != official[
        "sync/real_distance"].stamp["identity"]  # fmt: skip
    row = official["sync/real_offset_accuracy"]
    assert row.stamp["experts"][-1] == {"name": "syncnet_v2", "hash": digest}
    assert row.stamp["models"]["syncnet"] == digest[:8]
    assert len(row.stamp["offsets"]["as_it_is"]) == len(row.stamp["offsets"]["keys"]) == 3
    page = tmp_path / "page.html"
    write_report(runs=[], results=tmp_path / "official" / "results.jsonl", output=page)
    text = page.read_text()
    assert "published SyncNet by the published procedure" in text
    assert "Clips by the offset that SyncNet finds" in text


def test_without_the_file_nothing_stands_in_for_it(world, tmp_path, monkeypatch):
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path))
    monkeypatch.setattr("vasa.pretrained.registry.USER_CACHE", tmp_path / "none")
    with pytest.raises(InputError, match="syncnet_v2.model"):
        run(world, tmp_path / "results.jsonl", Path("official"))
