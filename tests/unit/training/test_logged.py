"""One place defines what is logged; runs of the other tests here are held to it (conftest.py)."""

from dataclasses import fields
from pathlib import Path

import pytest
from processes import config, expert, syncnet
from small_faces import write_small_faces
from test_capp_training import composed, nodding_clip

from vasa.data.bad_clips import Fault
from vasa.data.shards import FaceShardWriter
from vasa.training.logged import (
    ROWS,
    is_last,
    markdown_table,
    row_of,
    without_machine,
)
from vasa.training.logging import MetricsRecord
from vasa.training.runner import train
from vasa.training.stage1_settings import Stage1Weights
from vasa.training.stage2 import Stage2Weights

ROOT = Path(__file__).resolve().parents[3]


def test_the_table_in_the_docs_is_this_one():
    text = (ROOT / "docs" / "tracking.md").read_text()
    shown = text.split("<!-- logged -->\n")[1].split("\n<!-- /logged -->")[0]
    assert shown == markdown_table(), "write it anew: python -m vasa.training.logged"


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("train/loss", False),
        ("train/gradient_norm_1", False),
        ("train/dyn_acceleration", False),
        ("train/nonfinite_steps", True),
        ("data/bad_wrong_hash", True),
        ("val/x0_loss_t25", True),
    ],
)
def test_counts_and_validation_are_last_values(name, last):
    assert row_of(name) is not None and is_last(name) == last


@pytest.mark.parametrize("name", ["train/losss", "train/gradient_norm_2", "data/bad_", "loss"])
def test_other_names_are_none(name):
    assert row_of(name) is None


def test_every_weighted_loss_is_defined():
    losses = {one.name for kind in (Stage1Weights, Stage2Weights) for one in fields(kind)}
    assert losses and all(row_of(f"train/{name}") for name in losses)
    assert all(row_of(f"data/bad_{fault}") for fault in Fault)


def test_no_name_has_two_meanings():
    """Stages may share a name, but not one experiment."""
    plain = [row for row in ROWS if not set("{<") & set(row.name)]
    assert len({row.name for row in plain}) == len(plain)
    assert all(row.better in ("", "lower", "higher") for row in ROWS)


def test_equal_runs_have_equal_lines():
    line = {"step": 1, "time_s": 2.0, "speed/steps_per_s": 3.0, "device/memory_gb": 1.0, "a": 4.0}
    assert without_machine(line) == {"step": 1, "a": 4.0}


def test_names_of_the_expert_syncnet_and_capp(tmp_path):
    """Stage 1 and 2 have tests of their own with every term."""
    faces = write_small_faces(tmp_path / "faces", num_frames=24)
    with FaceShardWriter(tmp_path / "nods", clips_per_shard=50, prep_version="drawn") as writer:
        for speaker in range(20):
            writer.write(nodding_clip(speaker=speaker, split="train" if speaker < 16 else "val"))
    small = ["data.batch_size=8", "max_steps=2", "module.warmup_steps=1"]
    small += ["module.model.width=16", "module.model.num_heads=2"]
    nods = composed(tmp_path / "nods", *small, f"run_dir={tmp_path / 'capp'}")
    runs = [
        train(cfg=config(*expert(faces, tmp_path / "expert"), "max_steps=2")),
        train(cfg=config(*syncnet(faces, tmp_path / "syncnet"), "max_steps=2")),
        train(cfg=nods),
    ]
    found = set()
    for run, own in zip(runs, ("val/identity_auc", "val/offset_chance", "val/capp"), strict=True):
        names = set(MetricsRecord.read(run / "metrics.jsonl")[-1]) - {"step", "time_s"}
        assert own in names and all(row_of(name) for name in names)
        found |= names
    of_them = [row for row in ROWS if {"expert", "syncnet", "capp"} & set(row.where.split(", "))]
    never = [row.name for row in of_them if not any(row.fits(name) for name in found)]
    assert not never, "defined, but logged by none of them"
