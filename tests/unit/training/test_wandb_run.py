"""wandb itself, offline: what a run shows, and what is left of one that was killed whole.

wandb takes seconds to begin, so few tests share a run.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from records import metrics_of
from test_logging import logged_names, wandb_records
from toy import toy_config

from vasa.data.video import write_video
from vasa.training import wandb_mirror
from vasa.training.exhibits import histogram_of
from vasa.training.mirrors import open_mirrors
from vasa.training.runner import train

HERE = Path(__file__).resolve().parent


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr(wandb_mirror, "PATIENCE_S", 240.0)


def test_a_run_shows_its_files_by_reference_and_what_it_is(tmp_path):
    run = train(cfg=toy_config(f"run_dir={tmp_path}", "logger.kind=wandb"))
    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    records = wandb_records(file)
    id = (run / "wandb_id.txt").read_text()
    logged = [one.artifact for one in records if one.WhichOneof("record_type") == "artifact"]
    found = {artifact.name: artifact for artifact in logged}
    assert set(found) >= {f"{kind}-{id}" for kind in ("code", "checkpoint", "model")}
    newest = found[f"checkpoint-{id}"]
    (entry,) = newest.manifest.contents
    assert entry.ref == (run / "checkpoints" / "step_0000012.ckpt").resolve().as_uri()
    note = json.loads((run / "checkpoints" / "step_0000012.json").read_text())
    assert json.loads(newest.metadata)["sha256"] == note["sha256"]
    model = found[f"model-{id}"]
    refs = {Path(entry.ref).name for entry in model.manifest.contents}
    assert refs == {"model.safetensors", "config.json"}
    digest = json.loads((run / "done.json").read_text())["model_hash"]
    assert json.loads(model.metadata)["model_hash"] == digest
    code = {entry.path for entry in found[f"code-{id}"].manifest.contents}
    assert {"config.yaml", "env.json", "overrides.txt"} <= code
    assert not any(entry.ref for entry in found[f"code-{id}"].manifest.contents)
    (begun,) = [one.run for one in records if one.WhichOneof("record_type") == "run"][:1]
    config = {item.key: json.loads(item.value_json) for item in begun.config.update}
    environment = json.loads((run / "env.json").read_text())
    assert config["environment"]["commit"] == environment["commit"]
    assert config["max_steps"] == 12
    names = set.union(*(names for _, names in logged_names(file)))
    assert {"train/loss", "speed/samples_per_s", "samples/grey"} <= names


def test_histograms_and_clips_are_shown(tmp_path):
    import numpy as np
    import torch

    config = {"stage": "toy", "name": "line"}
    mirrors = open_mirrors(kind="wandb", project="x", folder=tmp_path, config=config)
    mirrors.histogram("z_dyn", histogram_of(torch.arange(100.0)), step=1)
    write_video(tmp_path / "a.mp4", np.zeros((5, 32, 32, 3), np.uint8))
    mirrors.clip("a", tmp_path / "a.mp4", step=1)
    mirrors.metrics({"train/loss": 1.0}, step=2)
    mirrors.close()
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert [
        names & {"latents/z_dyn", "clips/a", "train/loss"} for _, names in logged_names(file)
    ] == [
        {"latents/z_dyn", "clips/a"},
        {"train/loss"},
    ]
    assert list(file.parent.glob("files/media/videos/clips/*.mp4"))


def test_all_of_it_killed_leaves_files_that_can_be_read_and_a_whole_record(tmp_path):
    """SIGKILL to the training and to wandb's feed with its service, as a node that dies does."""
    words = [f"run_dir={tmp_path}", "logger.kind=wandb", "log_every=1", "sample_every=0"]
    words += ["max_steps=4000", "checkpoint_every_s=1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    training = subprocess.Popen(
        [sys.executable, str(HERE / "toy.py"), *words], env=environment, start_new_session=True
    )
    synced = 0
    until = time.monotonic() + 200
    while synced < 20 and training.poll() is None and time.monotonic() < until:
        time.sleep(0.2)
        files = sorted(tmp_path.glob("wandb/offline-run-*/*.wandb"))
        synced = len(logged_names(files[0])) if files else 0
    assert training.poll() is None and synced >= 20
    for group in {training.pid, *_children(training.pid)}:
        os.killpg(group, signal.SIGKILL)
    training.wait()
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    steps = [step for step, _ in logged_names(file)]
    assert len(steps) >= synced and steps == list(range(1, len(steps) + 1))
    last = metrics_of(tmp_path)[-1]["step"]
    assert last >= steps[-1]

    until_step = last + 50
    (tmp_path / "config.yaml").unlink()
    train(cfg=toy_config(*words, f"max_steps={until_step}"))
    assert [line["step"] for line in metrics_of(tmp_path)] == list(range(1, until_step + 1))
    newest = sorted(tmp_path.glob("wandb/offline-run-*/*.wandb"))[-1]
    assert [step for step, names in logged_names(newest) if "train/loss" in names] == list(
        range(1, until_step + 1)
    )


def _children(parent: int) -> set[int]:
    """Process groups of all descendants: the feed leads one of its own."""
    groups: set[int] = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            pid = int(path.parent.name)
            groups |= {int(fields[2]), *_children(pid)}
    return groups
