"""Members of a clip: found in the tar as tarfile finds them, checked when they are asked for."""

from pathlib import Path

import pandas as pd
import pytest
from five_people import small_clip

from vasa.data.bad_clips import BadClipError, Fault
from vasa.data.clip_store import ClipStore
from vasa.data.shard_members import checked_members, read_members
from vasa.data.shards import FaceShardWriter, read_index

SUFFIXES = ("mp4", "flac", "npz", "json")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with FaceShardWriter(tmp_path, clips_per_shard=4, prep_version="1") as writer:
        for number in range(3):
            writer.write(small_clip(f"p{number}/v/0", split="train"))
    return tmp_path


def rows(root: Path) -> list:
    return list(read_index(root).itertuples())


def damage(root: Path, suffix: str, *, row: int = 0) -> None:
    """Change a byte in the middle of one clip's member."""
    clip = rows(root)[row]
    held = read_members(root, clip)[suffix]
    shard = root / clip.shard
    data = bytearray(shard.read_bytes())
    start = data.index(held, int(clip.offset))
    data[start + len(held) // 2] ^= 1
    shard.write_bytes(bytes(data))


def test_checked_members_are_those_of_the_tar(root):
    for row in rows(root):
        assert dict(checked_members(root, row)) == read_members(root, row)
        assert set(read_members(root, row)) == set(SUFFIXES)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_damaged_member_alone_is_refused(root, suffix):
    damage(root, suffix)
    members = checked_members(root, rows(root)[0])
    for other in set(SUFFIXES) - {suffix}:
        assert members[other]
    with pytest.raises(BadClipError, match="other bytes than the index recorded") as caught:
        members[suffix]
    assert caught.value.fault == Fault.WRONG_HASH


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_index_with_one_hash_alone_refuses_the_clip(root, suffix):
    damage(root, suffix)
    table = pd.read_parquet(root / "index.parquet")
    own = [name for name in table if name.startswith("sha256_")]
    assert sorted(own) == sorted(f"sha256_{name}" for name in SUFFIXES)
    table.drop(columns=own).to_parquet(root / "index.parquet")
    with pytest.raises(BadClipError, match="other bytes than the index recorded"):
        checked_members(root, rows(root)[0])


@pytest.mark.parametrize("size", [0, 100, 700])
def test_what_is_no_tar_is_refused(root, size):
    row = rows(root)[0]._replace(offset=0, size=size)
    (root / row.shard).write_bytes(b"x" * 800)
    with pytest.raises(BadClipError):
        checked_members(root, row)["mp4"]


@pytest.mark.parametrize("cache_gb", [0.0, 0.1])
def test_pictures_are_used_though_the_sound_is_damaged(root, cache_gb):
    damage(root, "flac")
    store = ClipStore(root, split="train", cache_gb=cache_gb, max_bad_share=0.5)
    for _ in range(2):
        assert store.take(0, lambda clip: (clip.frames[3:5], clip.key))[1] == "p0/v/0"
        assert store.take(0, lambda clip: (clip.audio[:640], clip.key))[1] == "p1/v/0"
    assert store.bad.counts()[Fault.WRONG_HASH] == 1


def test_sound_of_another_length_is_refused(root):
    table = pd.read_parquet(root / "index.parquet")
    table["sha256_flac"] = table["sha256_flac"].iloc[0]
    table.to_parquet(root / "index.parquet")
    store = ClipStore(root, split="train", cache_gb=0, max_bad_share=0.5)
    short = store[0]
    short.audio._decoder.shape = (640,)
    with pytest.raises(BadClipError, match="sound of 8320 samples, not 640"):
        short.audio[:]
