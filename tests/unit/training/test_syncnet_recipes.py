"""The published recipe of SyncNet and the modern one, at a size for a test, through the runner."""

import json
from dataclasses import replace

import pytest
import torch
from hydra import compose, initialize_config_dir
from small_faces import draw_clip

from vasa.cli.paths import conf_dir
from vasa.data.shards import FaceShardWriter
from vasa.losses.sync_pairs import margin_contrastive_loss
from vasa.models.checkpoint import load_model
from vasa.models.deep_syncnet import DeepSyncNet
from vasa.models.published_syncnet import PublishedSyncNet
from vasa.training.runner import train


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Eight people, of whom two are out of sync by what was measured."""
    root = tmp_path_factory.mktemp("faces")
    with FaceShardWriter(root, clips_per_shard=8, prep_version="drawn") as writer:
        for speaker in range(8):
            split = "train" if speaker < 6 else "val"
            clip = draw_clip(speaker=speaker, clip=0, num_frames=24, split=split)
            offset = 4.0 if speaker in (0, 1) else 1.0
            measures = {"sync_offset_frames": offset, "sync_confidence": 3.5}
            writer.write(replace(clip, extra={"measures": measures}))
    return root


def run(experiment: str, *overrides: str):
    with initialize_config_dir(version_base="1.3", config_dir=conf_dir()):
        cfg = compose("train", [f"experiment={experiment}", "logger=none", *overrides])
    return train(cfg=cfg)


SHORT = (
    "module.warmup_steps=1",
    "log_every=1",
    "data.batch_size=4",
    "data.num_workers=0",
    "data.cache_gb=0.1",
    "data.held_out_clips=1",
)


def test_published_recipe_takes_steps(faces, tmp_path):
    torch.set_num_threads(1)
    folder = run(
        "syncnet/published",
        f"data.root={faces}",
        f"run_dir={tmp_path / 'run'}",
        "max_steps=2",
        "module.model.width_divisor=32",
        "module.model.embedding_dim=16",
        "data.min_frames=16",
        "data.max_shift_frames=8",
        *SHORT,
    )
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    first = next(line for line in lines if "train/match_distance" in line)
    assert first["train/loss"] > 0 and first["train/mismatch_distance"] > 0
    assert 0 <= lines[-1]["val/offset_accuracy"] <= 1
    net = load_model(folder)
    assert isinstance(net, PublishedSyncNet) and net.netcnnaud[0].weight.shape == (2, 1, 3, 3)
    assert int(net.netcnnlip[1].num_batches_tracked) == 2


def test_published_network_learns_pairs_by_heart():
    torch.manual_seed(0)
    net = PublishedSyncNet(crop=[0.0, 0.0, 1.0], width_divisor=32, embedding_dim=16).train()
    frames, audio = torch.rand(4, 6, 3, 64, 64), torch.randn(4, 6 * 640) * 0.1
    frames *= torch.linspace(0.2, 1, 4)[:, None, None, None, None]
    is_match = torch.tensor([True, False, True, False])
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        video, sound = net.embed_video(frames)[:, 0], net.embed_audio(audio)[:, 0]
        loss = margin_contrastive_loss(video, sound, is_match, margin=2.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0] and losses[-1] < 2.0**2 / 8, "the plateau is left"


@pytest.mark.parametrize("window", [16, 5])
def test_modern_recipe_takes_a_step_on_clips_in_sync_alone(faces, tmp_path, capsys, window):
    torch.set_num_threads(1)
    folder = run(
        "syncnet/modern",
        f"data.root={faces}",
        f"run_dir={tmp_path / 'run'}",
        "max_steps=1",
        f"module.model.window_frames={window}",
        "module.model.size=32",
        "module.model.visual_widths=[8,16]",
        "module.model.audio_widths=[8,16]",
        "module.model.num_mels=20",
        "module.model.hidden=16",
        "module.model.embedding_dim=16",
        "module.model.groups=4",
        *SHORT,
    )
    assert isinstance(load_model(folder), DeepSyncNet)
    told = capsys.readouterr().err
    assert "2 of 6 clips" in told and "2 beyond ±1 frames" in told
    values = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    assert values["train/within_clip"] > 0 and values["val/offset_chance"] > 0
