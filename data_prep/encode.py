"""Face shards and a frozen stage 1 to motion shards: one motion shard for each face shard.

A shard that exists is whole and is not made again, so a killed run is simply run again.
Shapes: t frames, m motion, f audio features.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from vasa.data.audio import decode_flac
from vasa.data.audio_features import AudioEncoder
from vasa.data.motion_shards import (
    MotionClip,
    MotionSetInfo,
    MotionShardWriter,
    finish_motion_set,
)
from vasa.data.remote import ShardRoot
from vasa.data.shard_members import read_members
from vasa.data.shards import read_index, read_labels
from vasa.data.video import decode_mp4
from vasa.types import InputError


def encode_set(
    *,
    data: Path | ShardRoot,
    output: Path,
    net: nn.Module,
    stage1_hash: str,
    audio: AudioEncoder,
    batch_size: int,
    device: torch.device,
) -> int:
    """Encode a face-shard set; what is there already stays.

    Args:
        data: face shards.
        output: motion shards to write.
        net: stage 1, with `motion(image) -> (z_pose, z_dyn)` and `image_size`.
        stage1_hash: its `model_hash`.
        audio: encoder of the sound.
        batch_size: pictures at once.
        device: where the net runs.

    Returns:
        Shards that were made now.

    Raises:
        InputError: no face shards, or `output` holds motion of another stage 1 or audio encoder.
    """
    table = read_index(data)
    net = net.to(device).eval().requires_grad_(False)
    shards = sorted(table["shard"].unique())
    missing = [shard for shard in shards if not (output / shard).is_file()]
    if (output / "set.json").is_file():
        _check_same(MotionSetInfo.read(output), output, stage1_hash, audio.describe())
    if missing:
        info = _describe(data, table, net, stage1_hash, audio, device)
        info.write(output)
        count = sum(shard in missing for shard in table["shard"])
        with tqdm(total=count, desc="encode", unit="clip") as progress:
            for shard in missing:
                rows = table[table["shard"] == shard]
                writer = MotionShardWriter(root=output, shard=shard, info=info)
                for row in rows.itertuples():
                    clip, details = encode_clip(
                        data, row, net=net, audio=audio, batch_size=batch_size, device=device
                    )
                    writer.write(clip, face_row=row, details=details)
                    progress.update()
                writer.close()
    if missing or not (output / "stats.npz").is_file():
        finish_motion_set(output, shards=shards)
    return len(missing)


def encode_clip(
    data: Path | ShardRoot,
    row: Any,
    *,
    net: nn.Module,
    audio: AudioEncoder,
    batch_size: int,
    device: torch.device,
) -> tuple[MotionClip, dict[str, Any]]:
    """Motion and audio features of one clip, and its face shard's `json` member."""
    members = read_members(data, row)
    motion = encode_frames(
        decode_mp4(members["mp4"]), net=net, batch_size=batch_size, device=device
    )
    features = audio(torch.from_numpy(decode_flac(members["flac"]))[None])[0]
    if len(features) != len(motion):
        raise InputError(
            f"expected audio features at 25 fps, got {len(features)} for {len(motion)} frames of "
            f"{row.key}; make the face shards again"
        )
    clip = MotionClip(
        key=row.key,
        speaker=row.speaker,
        motion=motion,
        audio=features.cpu().numpy(),
        labels=read_labels(members["npz"]),
    )
    return clip, json.loads(members["json"])


@torch.inference_mode()
def encode_frames(
    frames: np.ndarray, *, net: Any, batch_size: int, device: torch.device
) -> np.ndarray:
    """[z_pose, z_dyn] of pictures uint8 `t h w 3`, float32 `t m`."""
    parts = []
    for start in range(0, len(frames), batch_size):
        pictures = torch.from_numpy(frames[start : start + batch_size]).to(device)
        image = rearrange(pictures, "t h w c -> t c h w").float() / 255
        z_pose, z_dyn = net.motion(fit_picture(image, size=net.image_size))
        parts.append(torch.cat((z_pose, z_dyn), dim=-1).float().cpu())
    return torch.cat(parts).numpy()


def fit_picture(image: Tensor, *, size: int) -> Tensor:
    """Pictures `b c h w` at the net's size."""
    if image.shape[-2:] == (size, size):
        return image
    return F.interpolate(image, size=(size, size), mode="bilinear", antialias=True)


def _describe(
    data: Path | ShardRoot,
    table: Any,
    net: nn.Module,
    stage1_hash: str,
    audio: AudioEncoder,
    device: torch.device,
) -> MotionSetInfo:
    first = next(table.itertuples())
    clip, _ = encode_clip(data, first, net=net, audio=audio, batch_size=64, device=device)
    return MotionSetInfo(
        stage1_hash=stage1_hash,
        audio_encoder=audio.describe(),
        num_motion=clip.motion.shape[1],
        num_audio_features=audio.dim,
    )


def _check_same(found: MotionSetInfo, output: Path, stage1_hash: str, described: str) -> None:
    if found.stage1_hash != stage1_hash:
        raise InputError(
            f"expected a new folder or motion of the stage-1 model {stage1_hash[:8]}, {output} "
            f"holds motion of {found.stage1_hash[:8]}; choose another output"
        )
    if found.audio_encoder != described:
        raise InputError(
            f"expected a new folder or features of {described}, {output} holds those of "
            f"{found.audio_encoder}; choose another output"
        )
