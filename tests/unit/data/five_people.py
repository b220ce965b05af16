"""A small face-shard set: five people of two clips each, three shards of train and one of val."""

from pathlib import Path

import numpy as np

from vasa.data.schema import FaceClip, FaceLabels
from vasa.data.shards import FaceShardWriter


def small_clip(key: str, *, split: str, num_frames: int = 13) -> FaceClip:
    """A clip of its own colours and sound; the speaker is the key's first part."""
    rng = np.random.default_rng(sum(key.encode()))
    coarse = rng.integers(0, 256, (num_frames, 4, 4, 3), dtype=np.uint8)
    labels = FaceLabels(
        landmarks=rng.uniform(0, 32, (num_frames, 68, 2)).astype(np.float32),
        pose=rng.normal(size=(num_frames, 6)).astype(np.float32),
        gaze=np.zeros((num_frames, 2), np.float32),
        blink=np.zeros(num_frames, np.float32),
        emotion=np.zeros((num_frames, 8), np.float32),
        quality=np.ones(num_frames, np.float32),
        valid=np.ones(num_frames, bool),
        mouth=np.zeros((num_frames, 2), np.float32),
    )
    return FaceClip(
        key=key,
        speaker=key.split("/")[0],
        split=split,
        source="test",
        licence="none",
        frames=coarse.repeat(8, axis=1).repeat(8, axis=2),
        audio=rng.uniform(-0.5, 0.5, 640 * num_frames).astype(np.float32),
        labels=labels,
    )


def write_five_people(root: Path, *, num_clips: int = 10, clips_per_shard: int = 4) -> Path:
    """Clips p0/v/0, p1/v/1, ... of five people in train, two clips of another in val."""
    with FaceShardWriter(root, clips_per_shard=clips_per_shard, prep_version="1") as writer:
        for number in range(num_clips):
            writer.write(small_clip(f"p{number % 5}/v/{number}", split="train"))
        for number in range(2):
            writer.write(small_clip(f"q/v/{number}", split="val"))
    return root
