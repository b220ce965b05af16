"""Face shards and a frozen stage 1 to motion shards: one motion shard for each face shard.

A shard that exists is whole and is not made again, so a killed run is simply run again, and several
runs may each make a share of the shards of one set. Shapes: t frames, m motion, f audio features.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from data_prep.settings import PartitionSettings
from vasa.data.audio import decode_flac
from vasa.data.audio_features import AudioEncoder, num_video_frames
from vasa.data.bad_clips import OF_A_SHARD, BadClipError, BadClips, Fault, decoding
from vasa.data.motion_shards import (
    MotionClip,
    MotionSetInfo,
    MotionShardWriter,
    finish_motion_set,
    read_dropped,
)
from vasa.data.remote import ShardRoot, open_shards
from vasa.data.shard_members import checked_members
from vasa.data.shards import read_index, read_labels
from vasa.data.video import decode_mp4
from vasa.types import InputError

ALL = PartitionSettings(index=0, count=1)


@dataclass(frozen=True, kw_only=True)
class EncodedShare:
    """What became of a run's share of a set.

    Attributes:
        shards: of the share; all of them are there now.
        made_now: those that this run made.
        of_shards: of the set.
        is_finished: whether all shards of the set were there, so that index and statistics are.
        dropped: `3 of 120 clips (2 wrong_hash, 1 missing)`, as far as is known; empty where none.
    """

    shards: int
    made_now: int
    of_shards: int
    is_finished: bool
    dropped: str


def encode_set(
    *,
    data: Path | ShardRoot,
    output: Path,
    net: nn.Module,
    stage1_hash: str,
    audio: AudioEncoder,
    batch_size: int,
    device: torch.device,
    max_bad_share: float,
    partition: PartitionSettings = ALL,
) -> EncodedShare:
    """Encode a face-shard set, or a share of it; what is there already stays.

    A clip that cannot be read is left out, told of, and listed in `dropped.parquet`. The set is
    finished by whichever run finds all shards there; two that end together write the same bytes.

    Args:
        data: face shards.
        output: motion shards to write.
        net: stage 1, with `motion(image) -> (z_pose, z_dyn)` and `image_size`.
        stage1_hash: its `model_hash`.
        audio: encoder of the sound.
        batch_size: pictures at once.
        device: where the net and the audio encoder run.
        max_bad_share: clips that cannot be read, over all of the set, at most.
        partition: which shards are encoded, every `count`-th from `index` on; one run at a time
            works on a share.

    Raises:
        InputError: no face shards, `output` holds motion of another stage 1 or audio encoder, or
            too many clips are bad.
    """
    data = open_shards(data)
    table: Any = read_index(data)
    net = net.to(device).eval().requires_grad_(False)
    shards = sorted(table["shard"].unique())
    share = shards[partition.index :: partition.count]
    missing = [shard for shard in share if not (output / shard).is_file()]
    info = _begin(output, net, stage1_hash=stage1_hash, audio=audio, device=device)
    bad = BadClips(table, max_share=max_bad_share, what=str(data), setting="max_bad_share")
    _remember_dropped(bad, output, shards)

    def encoded(row: Any) -> tuple[MotionClip, dict[str, Any]]:
        return encode_clip(data, row, net=net, audio=audio, batch_size=batch_size, device=device)

    count = int(table["shard"].isin(missing).sum())
    with tqdm(total=count, desc="encode", unit="clip") as progress:
        for shard in missing:
            with MotionShardWriter(root=output, shard=shard, info=info) as writer:
                for _ in _fill(writer, table[table["shard"] == shard], encoded, bad):
                    progress.update()
    is_whole = all((output / shard).is_file() for shard in shards)
    if is_whole and (missing or not (output / "stats.npz").is_file()):
        _remember_dropped(bad, output, shards)
        finish_motion_set(output, shards=shards)
    return EncodedShare(
        shards=len(share),
        made_now=len(missing),
        of_shards=len(shards),
        is_finished=is_whole,
        dropped=bad.summary(),
    )


def _fill(
    writer: MotionShardWriter,
    rows: Any,
    encoded: Callable[[Any], tuple[MotionClip, dict[str, Any]]],
    bad: BadClips,
) -> Iterator[None]:
    """Write a shard's clips, one a step; those that cannot be read are dropped.

    Of a shard that cannot be had at all, no second clip is asked for.
    """
    lost: BadClipError | None = None
    for row in rows.itertuples():
        try:
            if lost is not None:
                raise lost
            clip, details = encoded(row)
            writer.write(clip, face_row=row, details=details)
        except BadClipError as error:
            lost = error if error.fault in OF_A_SHARD else None
            bad.add(row.Index, error)
            writer.drop(row.key, reason=error.fault, detail=error.detail)
        yield


def encode_clip(
    data: Path | ShardRoot,
    row: Any,
    *,
    net: nn.Module,
    audio: AudioEncoder,
    batch_size: int,
    device: torch.device,
) -> tuple[MotionClip, dict[str, Any]]:
    """Motion and audio features of one clip, and its face shard's `json` member.

    Raises:
        BadClipError: the clip cannot be read.
    """
    members = checked_members(data, row)
    with decoding(row.shard):
        frames, sound = decode_mp4(members["mp4"]), decode_flac(members["flac"])
        labels, details = read_labels(members["npz"]), json.loads(members["json"])
        lengths = (len(frames), num_video_frames(len(sound)), len(labels.valid))
        if set(lengths) != {int(row.frames)}:
            raise ValueError(
                "{} pictures, {} frames of sound and {} of labels".format(*lengths)
                + f", not {row.frames}"
            )
    motion = encode_frames(frames, net=net, batch_size=batch_size, device=device)
    features = audio(torch.from_numpy(sound)[None].to(device))[0].cpu().numpy()
    assert len(features) == len(motion), f"expected features at 25 fps of {audio.describe()}"
    clip = MotionClip(
        key=row.key, speaker=row.speaker, motion=motion, audio=features, labels=labels
    )
    return clip, details


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


def _begin(
    output: Path, net: Any, *, stage1_hash: str, audio: AudioEncoder, device: torch.device
) -> MotionSetInfo:
    """set.json, written where there is none; every run of a set writes the same."""
    described = audio.describe()
    if not (output / "set.json").is_file():
        black = np.zeros((1, net.image_size, net.image_size, 3), np.uint8)
        motion = encode_frames(black, net=net, batch_size=1, device=device)
        MotionSetInfo(
            stage1_hash=stage1_hash,
            audio_encoder=described,
            num_motion=motion.shape[1],
            num_audio_features=audio.dim,
        ).write(output)
    found = MotionSetInfo.read(output)
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
    return found


def _remember_dropped(bad: BadClips, output: Path, shards: list[str]) -> None:
    """Count what all runs left out so far; more than is allowed ends this one."""
    dropped: Any = read_dropped(output, shards=shards)
    for row in dropped.itertuples():
        bad.remember(row.key, BadClipError(Fault(row.reason), row.detail))
