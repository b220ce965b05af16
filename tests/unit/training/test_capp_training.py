"""CAPP learns heads that nod with the sound, end to end through the runner; pictures stay shut."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from small_faces import draw_clip

from vasa.cli.paths import conf_dir
from vasa.data.capp_datamodule import CappDataModule
from vasa.data.pose_windows import PoseStore
from vasa.data.shards import FaceShardWriter
from vasa.models.checkpoint import load_model
from vasa.training.config import build
from vasa.training.runner import train
from vasa.types import InputError

FRAMES = 30


def nodding_clip(*, speaker: int, split: str):
    """A drawn clip whose pitch is its loudness."""
    clip = draw_clip(speaker=speaker, clip=0, num_frames=FRAMES, split=split)
    pose = clip.labels.pose.copy()
    pose[:, 1] = 0.3 * clip.labels.mouth[:, 0]
    return replace(clip, labels=replace(clip.labels, pose=pose))


@pytest.fixture(scope="module")
def nods(tmp_path_factory):
    root = tmp_path_factory.mktemp("nods")
    with FaceShardWriter(root, clips_per_shard=50, prep_version="drawn") as writer:
        for speaker in range(40):
            writer.write(nodding_clip(speaker=speaker, split="train" if speaker < 32 else "val"))
    return root


def composed(root, *overrides: str):
    with initialize_config_dir(version_base="1.3", config_dir=conf_dir()):
        return compose(
            "train",
            [
                "experiment=capp/tiny",
                "logger=none",
                f"data.root={root}",
                "module.model.window=20",
                "data.batch_size=32",
                "data.windows_per_clip=2",
                "data.min_gap_frames=4",
                "module.statistics_batches=2",
                *overrides,
            ],
        )


def test_batches_are_windows_of_pose_and_their_sound(nods, monkeypatch):
    monkeypatch.setattr("av.open", lambda *_, **__: pytest.fail("a video was opened"))
    data = build(composed(nods).data)
    assert isinstance(data, CappDataModule)
    batch = data.batch_at(3)
    assert batch["pose"].shape == (32, 20, 6) and batch["audio"].shape == (32, 20 * 640)
    again = build(composed(nods).data).batch_at(3)
    assert all(torch.equal(batch[name], again[name]) for name in batch)
    level = batch["audio"].unflatten(1, (20, 640)).std(-1)
    together = torch.corrcoef(torch.stack((level.flatten(), batch["pose"][..., 1].flatten())))
    assert together[0, 1] > 0.9, "pose and sound start together"
    firsts = batch["pose"][:, :, 3]
    for one, two in zip(firsts[::2], firsts[1::2], strict=True):
        shifts = [k for k in range(-8, 9) if torch.equal(one[8:-8], two[8 + k : 12 + k])]
        assert shifts and min(map(abs, shifts)) >= 4, "two moments of one clip, apart"


def test_windows_without_trusted_poses_are_not_drawn(nods, tmp_path):
    with FaceShardWriter(tmp_path, clips_per_shard=9, prep_version="drawn") as writer:
        for speaker in range(4):
            clip = nodding_clip(speaker=speaker, split="train")
            valid = np.arange(FRAMES) < (0 if speaker == 0 else 15)
            writer.write(replace(clip, labels=replace(clip.labels, valid=valid)))
    settings = ("data.windows_per_clip=1", "data.min_gap_frames=1")
    batch = build(composed(tmp_path, "data.batch_size=3", *settings).data).batch_at(0)
    assert (batch["valid"].float().mean(1) >= 0.5).all()
    with pytest.raises(InputError, match=r"lower data\.batch_size"):
        build(composed(tmp_path, "data.batch_size=4", *settings).data).batch_at(0)


def test_store_tells_sound_of_another_length(nods):
    store = PoseStore(nods, split="train", cache_gb=0.1, max_bad_share=0.1)
    store._rows[0] = store._rows[0]._replace(frames=FRAMES + 1)
    store[0]
    assert 0 in store.bad


def test_window_of_data_and_model_must_agree(nods, tmp_path):
    with pytest.raises(InputError, match=r"data\.span_frames=20"):
        train(cfg=composed(nods, "data.span_frames=10", f"run_dir={tmp_path / 'run'}"))


def test_learns_heads_that_nod_with_the_sound(nods, tmp_path):
    torch.set_num_threads(1)
    folder = train(
        cfg=composed(
            nods,
            f"run_dir={tmp_path / 'run'}",
            "max_steps=30",
            "ema_decay=0.9",
            "module.warmup_steps=5",
            "module.model.width=16",
            "module.model.num_heads=2",
            "module.model.pose_layers=2",
            "module.model.audio_layers=1",
        )
    )
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["train/loss"] < 0.6 * np.log(32)
    assert lines[-1]["val/loss"] < 0.8 * lines[-1]["val/loss_chance"]
    assert lines[-1]["val/capp"] > lines[-1]["val/capp_shuffled"] + 0.2
    net = load_model(folder)
    clip = nodding_clip(speaker=50, split="val")
    pose = torch.from_numpy(clip.labels.pose[None, 5:25])
    sounds = [torch.from_numpy(clip.audio[None, 640 * k : 640 * (k + 20)]) for k in (5, 9)]
    own, late = (float((net.embed_pose(pose) * net.embed_audio(s)).sum()) for s in sounds)
    assert own > late + 0.1
