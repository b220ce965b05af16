"""A small motion set whose mouth follows its sound, and the model and configuration to learn it."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from vasa.cli.paths import conf_dir
from vasa.data.audio_features import LogMel
from vasa.data.motion_shards import (
    MotionClip,
    MotionSetInfo,
    MotionShardWriter,
    finish_motion_set,
)
from vasa.data.schema import FaceLabels

HASH = "5a" * 32
NUM_MOTION = 9
NUM_MELS = 4


class IndexRow(SimpleNamespace):
    """As `itertuples` gives it."""

    def _asdict(self) -> dict:
        return dict(vars(self))


def small_encoder() -> LogMel:
    return LogMel(
        num_mels=NUM_MELS,
        window_samples=400,
        min_hz=0.0,
        max_hz=8000.0,
        floor=1e-5,
        log_mean=-2.0,
        log_std=1.5,
    )


def small_labels(num_frames: int, *, rng: np.random.Generator) -> FaceLabels:
    pose = 0.1 * rng.normal(size=(num_frames, 6))
    emotion = np.zeros((num_frames, 8))
    emotion[:, 1] = 1
    return FaceLabels(
        landmarks=np.zeros((num_frames, 68, 2), np.float32),
        pose=pose.astype(np.float32),
        gaze=np.full((num_frames, 2), 0.2, np.float32),
        blink=np.zeros(num_frames, np.float32),
        emotion=emotion.astype(np.float32),
        quality=np.ones(num_frames, np.float32),
        valid=np.ones(num_frames, bool),
        mouth=np.ones((num_frames, 2), np.float32),
    )


def write_small_motion(root: Path, *, lengths: tuple[int, ...] = (60, 45, 20)) -> Path:
    """Clips of these lengths in train and in val; motion is a fixed map of the audio features."""
    encoder = small_encoder()
    info = MotionSetInfo(
        stage1_hash=HASH,
        audio_encoder=encoder.describe(),
        num_motion=NUM_MOTION,
        num_audio_features=encoder.dim,
    )
    info.write(root)
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(encoder.dim, NUM_MOTION)) / 4
    shards = []
    for split in ("train", "val"):
        shards.append(f"{split}/000000.tar")
        writer = MotionShardWriter(root=root, shard=shards[-1], info=info)
        for number, length in enumerate(lengths):
            loudness = np.repeat(rng.uniform(0.01, 0.5, length), 640)
            audio = torch.from_numpy(rng.normal(size=640 * length) * loudness).float()
            features = encoder(audio[None])[0].numpy()
            labels = small_labels(length, rng=rng)
            clip = MotionClip(
                key=f"{split}{number}/v/0",
                speaker=f"{split}{number}",
                motion=(features @ mix + 3).astype(np.float32),
                audio=features,
                labels=labels,
            )
            row = IndexRow(
                Index=number, key=clip.key, split=split, speaker=clip.speaker, frames=length
            )
            writer.write(clip, face_row=row, details={"key": clip.key})
        writer.close()
    finish_motion_set(root, shards=shards)
    return root


def small_config(root: Path, *overrides: str) -> DictConfig:
    """experiment=stage2/tiny at a size that trains in seconds."""
    with initialize_config_dir(version_base="1.3", config_dir=conf_dir()):
        return compose(
            config_name="train",
            overrides=[
                "experiment=stage2/tiny",
                f"data.root={root}",
                "module.stage1=null",
                f"module.model.num_motion={NUM_MOTION}",
                f"module.model.audio.num_mels={NUM_MELS}",
                "module.model.width=32",
                "module.model.num_layers=2",
                "module.model.num_heads=2",
                "module.model.window=30",
                "module.model.num_previous=4",
                "module.warmup_steps=5",
                "data.batch_size=4",
                "data.min_frames=10",
                "trainer.precision=32-true",
                "trainer.num_threads=1",
                "logger=none",
                "max_steps=6",
                "log_every=2",
                "sample_every=3",
                *overrides,
            ],
        )
