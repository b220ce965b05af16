"""Members of a clip: found in the tar as tarfile finds them, checked when they are asked for."""

from pathlib import Path

import pandas as pd
import pytest
from five_people import small_clip

from vasa.data.bad_clips import BadClipError, Fault
from vasa.data.clip_store import ClipStore
from vasa.data.remote import ShardFolder
from vasa.data.shard_members import Vouched, checked_members, read_members
from vasa.data.shards import FaceShardWriter, read_index
from vasa.data.stored_clip import FlacSamples

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
    table.drop(columns="members").to_parquet(root / "index.parquet")
    with pytest.raises(BadClipError, match="other bytes than the index recorded"):
        checked_members(root, rows(root)[0])


@pytest.mark.parametrize("size", [0, 100, 700])
def test_what_is_no_tar_is_refused(root, size):
    row = rows(root)[0]._replace(offset=0, size=size)
    (root / row.shard).write_bytes(b"x" * 800)
    for members in (row.members, None):
        with pytest.raises(BadClipError):
            checked_members(root, row._replace(members=members))["mp4"]


@pytest.mark.parametrize("cache_gb", [0.0, 0.1])
def test_pictures_are_used_though_the_sound_is_damaged(root, cache_gb):
    damage(root, "flac")
    store = ClipStore(root, split="train", cache_gb=cache_gb, max_bad_share=0.5)
    for _ in range(2):
        assert store.take(0, lambda clip: (clip.frames[3:5], clip.key))[1] == "p0/v/0"
        assert store.take(0, lambda clip: (clip.audio[:640], clip.key))[1] == "p1/v/0"
    assert store.bad.counts()[Fault.WRONG_HASH] == 1


def test_what_was_found_right_is_not_checked_again(root):
    vouched = Vouched(3)
    first = rows(root)[0]
    assert checked_members(root, first, vouched=vouched)["mp4"]
    assert (0, "mp4") in vouched and (0, "flac") not in vouched and (1, "mp4") not in vouched
    for suffix in ("mp4", "flac"):
        damage(root, suffix)
    assert checked_members(root, first, vouched=vouched)["mp4"]
    with pytest.raises(BadClipError, match="other bytes"):
        checked_members(root, first, vouched=vouched)["flac"]


def test_pictures_cost_no_other_members_bytes(root, monkeypatch):
    taken = []
    read = ShardFolder.read_range

    def counted(self, name, **place):
        taken.append(place["size"])
        return read(self, name, **place)

    monkeypatch.setattr(ShardFolder, "read_range", counted)
    row = rows(root)[0]
    assert taken == []
    size = len(checked_members(root, row)["mp4"])
    assert taken == [size] and size < row.size


def test_sound_of_another_length_is_refused(root):
    clip = ClipStore(root, split="train", cache_gb=0)[0]
    data = read_members(root, rows(root)[0])["flac"]
    assert FlacSamples(lambda: data, num_samples=len(clip.audio))[:640].shape == (640,)
    with pytest.raises(ValueError, match=f"sound of {len(clip.audio)} samples, not 640"):
        FlacSamples(lambda: data, num_samples=640)[:]
