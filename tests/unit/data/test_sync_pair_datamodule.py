"""Pairs for the published SyncNet's loss: half have the sound of another moment of the clip."""

import numpy as np
import pytest
import torch
from five_people import small_clip

from vasa.data.shards import FaceShardWriter
from vasa.data.sync_pair_datamodule import SyncPairDataModule
from vasa.types import InputError

NUM_FRAMES = 20


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Clips whose sound says which frame it is of."""
    root = tmp_path_factory.mktemp("pairs")
    with FaceShardWriter(root, clips_per_shard=4, prep_version="1") as writer:
        for person in range(4):
            clip = small_clip(f"p{person}/v/0", split="train", num_frames=NUM_FRAMES)
            clip.frames[:] = (10 * np.arange(NUM_FRAMES) + 5)[:, None, None, None]
            clip.audio[:] = np.repeat(np.arange(NUM_FRAMES) / 64, 640)
            writer.write(clip)
    return root


def data(root, **more) -> SyncPairDataModule:
    settings = {
        "root": root, "split": "train", "batch_size": 64, "span_frames": 6, "seed": 0,
        "num_steps": 9, "num_workers": 0, "cache_gb": 0.1, "held_out_split": None,
        "held_out_clips": 0, "min_frames": 16, "max_shift_frames": 5,
    }  # fmt: skip
    return SyncPairDataModule(**(settings | more))


def test_half_of_the_pairs_are_shifted_by_up_to_the_limit(faces):
    batches = [data(faces).batch_at(step) for step in range(4)]
    seen = torch.cat([(batch["frames"][:, 0, 0, 4, 4].float() - 5) / 10 for batch in batches])
    heard = torch.cat([batch["audio"][:, 100] * 64 for batch in batches])
    is_match = torch.cat([batch["is_match"] for batch in batches])
    shift = (heard.round() - seen.round()).int()
    assert is_match.dtype == torch.bool and 0.4 < is_match.float().mean() < 0.6
    assert (shift[is_match] == 0).all()
    assert set(shift[~is_match].tolist()) == {*range(-5, 0), *range(1, 6)}
    assert batches[0]["audio"].shape == (64, 6 * 640)


def test_a_batch_is_a_function_of_its_step(faces):
    first, again, other = (data(faces).batch_at(step) for step in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["audio"], other["audio"])


def test_clips_without_room_for_a_shift_are_refused(faces):
    with pytest.raises(InputError, match="above data.span_frames"):
        data(faces, min_frames=6)
    with pytest.raises(InputError, match="expected clips of at least 21 frames"):
        _ = data(faces, min_frames=21).store
