"""Clips that were written broken: their bytes are those of the index, and do not all decode."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from five_people import small_clip

from vasa.data.bad_clips import Fault
from vasa.data.clip_store import ClipStore
from vasa.data.face_datamodule import FaceDataModule
from vasa.data.mp4_frames import read_table
from vasa.data.shard_members import content_hash
from vasa.data.shards import EncodedClip, FaceShardWriter, encode_clip
from vasa.data.stored_clip import StoredClip
from vasa.data.sync_datamodule import SyncDataModule
from vasa.types import InputError

BROKEN = "p1/v/1"
SECOND = "p1/v/6"
"""The same person's other clip."""
LAST = 12


def without_last_picture(clip: EncodedClip) -> EncodedClip:
    """All others decode; the recorded hash is that of the broken bytes."""
    video = bytearray(clip.members["mp4"])
    table = read_table(bytes(video))
    sample = table.sample_of[LAST]
    start, size = int(table.starts[sample]), int(table.sizes[sample])
    video[start + 4 : start + size] = bytes(size - 4)
    members = {**clip.members, "mp4": bytes(video)}
    return replace(clip, members=members, row={**clip.row, "sha256": content_hash(members)})


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    """Five people of two clips each, and a clip of val; one of train and that of val are broken."""
    root = tmp_path_factory.mktemp("broken")
    names = [(f"p{number % 5}/v/{number}", "train") for number in range(10)]
    with FaceShardWriter(root, clips_per_shard=4, prep_version="1") as writer:
        for key, split in [*names, ("q/v/0", "val"), ("q/v/1", "val")]:
            clip = encode_clip(small_clip(key, split=split), prep_version="1")
            writer.append(without_last_picture(clip) if key in (BROKEN, "q/v/0") else clip)
    return root


def test_it_is_counted_and_replaced_when_its_pictures_are_asked_for(faces, capsys):
    store = ClipStore(faces, split="train", cache_gb=0, max_bad_share=0.1)
    assert store.take(1, lambda clip: (clip.frames[9:13], clip.key))[1] == SECOND
    assert store.bad.counts() == {name: int(name == Fault.UNDECODABLE) for name in Fault}
    said = capsys.readouterr().err
    assert f"left out 1 clip: {BROKEN}: train/000000.tar holds a clip that does not decode" in said
    assert store.take(1, lambda clip: (clip.frames[:6], clip.key))[1] == BROKEN, "these are whole"
    strict = ClipStore(faces, split="train", cache_gb=0)
    with pytest.raises(InputError, match=r"1 of 10 clips \(1 undecodable\), the last: train/0"):
        strict.take(1, StoredClip.whole)


@pytest.mark.parametrize("cache_gb", [0.0, 0.1])
def test_memory_does_not_say_whose_turn_it_is(faces, cache_gb):
    store = ClipStore(faces, split="train", cache_gb=cache_gb, max_bad_share=0.1)
    for _ in range(2):
        assert store.take(1, lambda clip: (clip.frames[:6], clip.key))[1] == BROKEN
        assert store.take(1, lambda clip: (clip.frames[[2, LAST]], clip.key))[1] == SECOND


def made_faces(root: Path, **changes) -> FaceDataModule:
    return FaceDataModule(
        root=str(root), split="train", batch_size=8, frames_per_clip=2, min_distance=1, seed=0,
        num_steps=6, max_bad_share=0.1, **changes,
    )  # fmt: skip


def made_sync(root: Path, **changes) -> SyncDataModule:
    return SyncDataModule(
        root=str(root), split="train", batch_size=8, span_frames=12, seed=0, num_steps=8,
        held_out_split="val", held_out_clips=2, max_bad_share=0.5, **changes,
    )  # fmt: skip


@pytest.mark.parametrize("made", [made_faces, made_sync])
def test_batches_do_not_depend_on_memory_workers_or_history(faces, made, capfd):
    def batches(data: FaceDataModule | SyncDataModule, *, done: int = 0) -> list:
        data.batches_consumed = done
        found = list(data.train_dataloader())
        assert data.open_store().bad.counts()[Fault.UNDECODABLE] == 1
        return found

    first = batches(made(faces, num_workers=0, cache_gb=0.0))
    assert capfd.readouterr().err.count("left out") == 1
    for done, workers, memory in ((0, 2, 0.0), (1, 0, 0.1), (1, 0, 1e-4), (1, 2, 1e-4)):
        again = batches(made(faces, num_workers=workers, cache_gb=memory), done=done)
        for one, other in zip(first[done:], again, strict=True):
            assert all(torch.equal(one[name], other[name]) for name in one)


def test_held_out_clips_are_whole_ones(faces):
    keys = [clip.key for clip in made_sync(faces, num_workers=0, cache_gb=0.0).held_out()]
    assert keys == ["q/v/1", "q/v/1"]
