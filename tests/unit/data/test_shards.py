"""What is written is what is read, by our reader and by WebDataset's."""

import io
import json
import os
import re
import shutil
import time

import numpy as np
import pytest
import webdataset

from vasa.data.order import StepSampler, step_generator
from vasa.data.schema import FaceClip, FaceLabels
from vasa.data.shard_members import read_members
from vasa.data.shards import (
    FaceShardWriter,
    encode_clip,
    read_clip,
    read_index,
    read_labels,
    safe_key,
)
from vasa.data.video import decode_mp4, encode_mp4
from vasa.types import InputError


def make_clip(key: str, *, speaker: str, split: str, num_frames: int = 13) -> FaceClip:
    """A clip of smooth moving colour, so that compression is mild."""
    rng = np.random.default_rng(len(key))
    t, y, x = np.meshgrid(
        np.arange(num_frames), np.arange(32), np.arange(32), indexing="ij", sparse=True
    )
    frames = np.stack([(3 * t + 2 * y + 0 * x) % 256, 4 * x + 0 * (t + y), 5 * t + x + y], axis=-1)
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
    audio = 0.5 * np.sin(np.arange(640 * num_frames) / 30)
    return FaceClip(
        key=key,
        speaker=speaker,
        split=split,
        source="test",
        licence="none",
        frames=np.broadcast_to(frames, (num_frames, 32, 32, 3)).astype(np.uint8),
        audio=audio.astype(np.float32),
        labels=labels,
        extra={"sentence_id": 7},
    )


@pytest.fixture
def clips() -> list[FaceClip]:
    return [
        make_clip(f"p{i}/v.0/{i}", speaker=f"p{i}", split="train" if i < 3 else "test")
        for i in range(4)
    ]


@pytest.fixture
def root(tmp_path, clips):
    with FaceShardWriter(tmp_path, clips_per_shard=2, prep_version="1") as writer:
        for clip in clips:
            writer.write(clip)
        writer.drop(key="p9", reason="no_face", detail="nothing found")
    return tmp_path


def test_round_trip(root, clips):
    index = read_index(root)
    assert list(index["key"]) == [clip.key for clip in clips]
    for row, clip in zip(index.itertuples(), clips, strict=True):
        read = read_clip(root, row)
        assert (read.key, read.speaker, read.split) == (clip.key, clip.speaker, clip.split)
        assert read.extra["sentence_id"] == 7
        assert np.array_equal(read.labels.pose, clip.labels.pose)
        assert np.abs(read.audio - clip.audio).max() < 1 / 32000
        assert np.abs(read.frames.astype(int) - clip.frames).mean() < 8


def test_webdataset_reads_the_same_members(root, clips):
    shards = sorted(str(path) for path in root.glob("train/*.tar"))
    assert len(shards) == 2
    samples = list(webdataset.WebDataset(shards, shardshuffle=False))
    assert [json.loads(sample["json"])["key"] for sample in samples] == [
        clip.key for clip in clips if clip.split == "train"
    ]
    assert all({"mp4", "flac", "npz", "json"} <= set(sample) for sample in samples)


def test_stats_and_dropped(root):
    stats = json.loads((root / "stats.json").read_text())
    assert stats["splits"]["train"]["clips"] == 3
    assert stats["dropped"] == {"no_face": 1}


def test_a_speaker_stays_in_one_split(tmp_path):
    with pytest.raises(InputError, match="one split"):
        with FaceShardWriter(tmp_path, clips_per_shard=2, prep_version="1") as writer:
            writer.write(make_clip("a/0", speaker="a", split="train"))
            writer.write(make_clip("a/1", speaker="a", split="test"))
    assert not list(tmp_path.rglob("*.part"))


def test_missing_set_and_split(root, tmp_path_factory):
    with pytest.raises(InputError, match="vasa synth"):
        read_index(tmp_path_factory.mktemp("empty"))
    with pytest.raises(InputError, match="split 'val'"):
        read_index(root, split="val")


def test_decoders_agree(clips):
    data = encode_mp4(clips[0].frames, keyframe_interval=4)
    assert np.array_equal(decode_mp4(data), decode_mp4(data, backend="pyav"))
    assert np.array_equal(decode_mp4(data, [9, 2]), decode_mp4(data)[[9, 2]])


def test_order_is_a_function_of_the_step():
    assert list(StepSampler(start_step=3, num_steps=6)) == [3, 4, 5]
    first = step_generator(1, 5, "noise").initial_seed()
    assert first == step_generator(1, 5, "noise").initial_seed()
    assert len({step_generator(1, s, x).initial_seed() for s in range(50) for x in "ab"}) == 100


def test_the_same_clip_gives_the_same_bytes(clips, monkeypatch):
    first = encode_clip(clips[0], prep_version="1")
    monkeypatch.setattr(time, "time", lambda: 2e9)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(2_000_000_000))
    for _ in range(20):
        assert encode_clip(clips[0], prep_version="1") == first
    other = encode_clip(clips[1], prep_version="1")
    assert other.row["sha256"] != first.row["sha256"]


def test_a_tar_is_finished_at_its_size(tmp_path, clips):
    with FaceShardWriter(tmp_path, clips_per_shard=9, prep_version="1", max_bytes=1) as writer:
        for clip in clips:
            writer.write(clip)
    assert read_index(tmp_path)["shard"].nunique() == len(clips)


def test_keys_that_look_alike_stay_apart():
    names = [
        safe_key(key) for key in ("a.b/c", "a_b/c", "a/b-c", "a-b/c", "é/\n", "è/\n", "x" * 400)
    ]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[A-Za-z0-9_-]{1,89}", name) for name in names)


def test_an_index_cannot_name_files_outside_of_the_set(root, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "000000.tar"
    shutil.copy(root / "train/000000.tar", outside)
    row = next(read_index(root).itertuples())
    for name in (str(outside), os.path.relpath(outside, root)):
        with pytest.raises(InputError, match="inside of"):
            read_members(root, row._replace(shard=name))


def test_labels_are_never_unpickled(root):
    harmful = io.BytesIO()
    np.savez(harmful, pose=np.array([print], dtype=object))
    with pytest.raises(ValueError, match="pickle"):
        read_labels(harmful.getvalue())
