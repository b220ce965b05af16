"""Small drawn faces with exact labels: skin, two eyes, a mouth that opens with the sound."""

from pathlib import Path

import numpy as np

from vasa.data.schema import FaceClip, FaceLabels
from vasa.data.shards import FaceShardWriter

SIZE = 64


def draw_clip(*, speaker: int, clip: int, num_frames: int, split: str) -> FaceClip:
    """One person (colours are the identity), moving left and right, talking in bursts of noise."""
    person = np.random.default_rng(speaker)
    skin, back, lips = person.uniform(0.2, 0.9, (3, 3))
    rng = np.random.default_rng(1000 * speaker + clip + 1)
    knots = rng.uniform(0, 1, num_frames // 3 + 2) ** 2
    opening = np.interp(np.arange(num_frames) / 3, np.arange(len(knots)), knots)
    shift = 0.2 * np.sin(np.arange(num_frames) / 9 + rng.uniform(0, 6))
    frames = np.stack([_draw(skin, back, lips, o, s) for o, s in zip(opening, shift, strict=True)])
    audio = rng.normal(0, 0.2, num_frames * 640) * np.repeat(opening, 640)
    pose = np.zeros((num_frames, 6), np.float32)
    pose[:, 3] = shift
    landmarks = np.zeros((num_frames, 68, 2), np.float32)
    landmarks[..., 0] = (shift[:, None] + 1) * SIZE / 2
    landmarks[..., 1] = SIZE / 2
    labels = FaceLabels(
        landmarks=landmarks,
        pose=pose,
        gaze=np.zeros((num_frames, 2), np.float32),
        blink=np.zeros(num_frames, np.float32),
        emotion=np.zeros((num_frames, 8), np.float32),
        quality=np.ones(num_frames, np.float32),
        valid=np.ones(num_frames, bool),
        mouth=np.stack((opening, np.ones(num_frames)), 1).astype(np.float32),
    )
    return FaceClip(
        key=f"p{speaker:02d}/v/{clip}",
        speaker=f"p{speaker:02d}",
        split=split,
        source="drawn",
        licence="CC0-1.0",
        frames=frames,
        audio=audio.clip(-1, 1).astype(np.float32),
        labels=labels,
    )


def _draw(skin, back, lips, opening: float, shift: float) -> np.ndarray:
    y, x = np.meshgrid(*[np.linspace(-1, 1, SIZE)] * 2, indexing="ij")
    picture = np.broadcast_to(back, (SIZE, SIZE, 3)).copy()
    picture[((x - shift) / 0.7) ** 2 + (y / 0.95) ** 2 < 1] = skin
    for side in (-0.3, 0.3):
        picture[((x - shift - side) / 0.12) ** 2 + ((y + 0.2) / 0.08) ** 2 < 1] = 1
        picture[((x - shift - side) / 0.05) ** 2 + ((y + 0.2) / 0.07) ** 2 < 1] = 0
    picture[((x - shift) / 0.32) ** 2 + ((y - 0.5) / (0.08 + 0.2 * opening)) ** 2 < 1] = lips
    picture[((x - shift) / 0.26) ** 2 + ((y - 0.5) / (0.01 + 0.2 * opening)) ** 2 < 1] = 0.1
    return (picture * 255).round().astype(np.uint8)


def write_small_faces(root: Path, *, num_frames: int = 40) -> Path:
    """A shard set of 24 people to train on and three held out, a clip each."""
    with FaceShardWriter(root, clips_per_shard=8, prep_version="drawn") as writer:
        for speaker in range(27):
            split = "train" if speaker < 24 else "val"
            writer.write(draw_clip(speaker=speaker, clip=0, num_frames=num_frames, split=split))
    return root
