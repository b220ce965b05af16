"""Held-out clips as tensors, chosen the same way every time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import interpolate

from vasa.data.remote import ShardRoot, open_shards
from vasa.data.schema import FPS, SAMPLES_PER_FRAME, FaceClip
from vasa.data.shards import read_clip, read_index


@dataclass(frozen=True, kw_only=True)
class EvaluationClip:
    """A clip as the protocols use it; only frames with trusted labels are scored.

    Attributes:
        key: of the clip.
        speaker: the person.
        sentence_id: what is said, -1 if unknown; clips that share it are no shuffled controls.
        split: of the shards.
        frames: uint8 `t c h w`.
        audio: float32 at 16 kHz, 640 samples a frame, `n`.
        pose: `t 6`; mouth: `t 2`; gaze: `t 2`; blink: `t`; landmarks: px, `t 68 2`.
        valid: `t` bool.
        emotion: `t 8`; None where nobody reads it.
        phoneme: spoken in each frame, `t`; None where it is not known (real clips).
    """

    key: str
    speaker: str
    sentence_id: int
    split: str
    frames: Tensor
    audio: Tensor
    pose: Tensor
    mouth: Tensor
    gaze: Tensor
    blink: Tensor
    landmarks: Tensor
    valid: Tensor
    emotion: Tensor | None = None
    phoneme: tuple[str, ...] | None = None

    def images(self, indices: Tensor | None = None) -> Tensor:
        """Pictures in [0, 1], `t c h w`, of some or all frames."""
        frames = self.frames if indices is None else self.frames[indices]
        return frames.float() / 255

    def source_index(self) -> int:
        """The frame that stands for the clip as a single picture: the first valid one."""
        return int(self.valid.nonzero()[0])

    def source(self) -> Tensor:
        """The source picture `c h w` in [0, 1]."""
        return self.images(torch.tensor([self.source_index()]))[0]

    def scored_indices(self, *, stride: int) -> Tensor:
        """Every `stride`-th valid frame after the source frame."""
        indices = self.valid.nonzero().flatten()[1:]
        return indices[::stride]


def fitted_frames(frames: Tensor, *, size_px: int) -> Tensor:
    """Square pictures uint8 `t c h w` at another size."""
    if frames.shape[-1] == size_px:
        return frames
    scaled = interpolate(frames.float(), size=(size_px, size_px), mode="bilinear", antialias=True)
    return scaled.round().clamp(0, 255).to(torch.uint8)


def to_evaluation_clip(
    clip: FaceClip, *, max_frames: int, image_size_px: int | None = None
) -> EvaluationClip:
    """A shard's clip as tensors, cut to `max_frames`, scaled to the net's picture size."""
    labels = clip.labels
    frames = rearrange(torch.from_numpy(clip.frames[:max_frames]), "t h w c -> t c h w")
    landmarks = torch.from_numpy(labels.landmarks[:max_frames]).float()
    if image_size_px is not None and frames.shape[-1] != image_size_px:
        landmarks = landmarks * (image_size_px / frames.shape[-1])
        frames = fitted_frames(frames, size_px=image_size_px)

    def tensor(array) -> Tensor:
        return torch.from_numpy(array[:max_frames]).float()

    return EvaluationClip(
        key=clip.key,
        speaker=clip.speaker,
        sentence_id=int(clip.extra.get("sentence_id", -1)),
        split=clip.split,
        frames=frames.contiguous(),
        audio=torch.from_numpy(clip.audio[: len(frames) * SAMPLES_PER_FRAME].copy()),
        pose=tensor(labels.pose),
        mouth=tensor(labels.mouth),
        gaze=tensor(labels.gaze),
        blink=tensor(labels.blink),
        landmarks=landmarks,
        valid=torch.from_numpy(labels.valid[:max_frames].copy()),
        emotion=tensor(labels.emotion),
        phoneme=None
        if labels.phoneme is None
        else tuple(str(name) for name in labels.phoneme[:max_frames]),
    )


def choose_rows(index: pd.DataFrame, *, num_clips: int) -> pd.DataFrame:
    """As many different speakers as there are, then their second clips, and so on."""
    index = index.sort_values("key")
    index = index.assign(turn=index.groupby("speaker").cumcount())
    return index.sort_values(["turn", "key"]).head(num_clips)


def load_clips(
    root: str | Path | ShardRoot,
    *,
    split: str,
    num_clips: int,
    max_seconds: float,
    image_size_px: int | None,
) -> Iterator[EvaluationClip]:
    """A split's clips as an evaluation uses them; one with under two valid frames is left out."""
    root = open_shards(root)
    for row in choose_rows(read_index(root, split=split), num_clips=num_clips).itertuples():
        clip = to_evaluation_clip(
            read_clip(root, row),
            max_frames=round(max_seconds * FPS),
            image_size_px=image_size_px,
        )
        if clip.valid.sum() >= 2:
            yield clip
