"""A sound set passes; each fault is found and named."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from data_prep.validate import Fault, picture_hash, same_pictures, validate_set
from vasa.cli import main
from vasa.data.schema import FaceClip, FaceLabels
from vasa.data.shards import FaceShardWriter, read_index

NUM_FRAMES = 10


def make_clip(seed: int, split: str, **changes) -> FaceClip:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    picture = np.asarray(coarse.resize((32, 32), Image.Resampling.BICUBIC))
    labels = {
        "landmarks": rng.uniform(0, 32, (NUM_FRAMES, 68, 2)).astype(np.float32),
        "pose": np.zeros((NUM_FRAMES, 6), np.float32),
        "gaze": np.zeros((NUM_FRAMES, 2), np.float32),
        "blink": np.zeros(NUM_FRAMES, np.float32),
        "emotion": np.zeros((NUM_FRAMES, 8), np.float32),
        "quality": np.ones(NUM_FRAMES, np.float32),
        "valid": np.ones(NUM_FRAMES, bool),
        "mouth": np.zeros((NUM_FRAMES, 2), np.float32),
    }
    labels |= changes
    return FaceClip(
        key=f"p{seed}/v/0",
        speaker=f"p{seed}",
        split=split,
        source="test",
        licence="none",
        frames=np.repeat(picture[None], NUM_FRAMES, axis=0),
        audio=np.zeros(640 * NUM_FRAMES, np.float32),
        labels=FaceLabels(**labels),
    )


def write(root, *clips):
    with FaceShardWriter(root, clips_per_shard=2, prep_version="1") as writer:
        for clip in clips:
            writer.write(clip)
    return root


@pytest.fixture
def root(tmp_path):
    splits = ("train", "train", "train", "val", "test")
    return write(tmp_path / "set", *(make_clip(i, split) for i, split in enumerate(splits)))


def faults(root, workers=1):
    return [(str(f.fault), f.key) for f in validate_set(root, workers=workers).findings]


def change_index(root, change):
    table = pd.read_parquet(root / "index.parquet")
    change(table).to_parquet(root / "index.parquet", index=False)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_sound_set(root, workers, capsys):
    result = validate_set(root, workers=workers)
    assert result.findings == ()
    assert result.clips == {"train": 3, "val": 1, "test": 1}
    assert result.speakers["train"] == 3
    assert result.hours["train"] == pytest.approx(3 * NUM_FRAMES / 25 / 3600)
    assert result.hashed == 5


def test_the_command(root, capsys):
    assert main(["prep", "validate", str(root), "workers=1"]) == 0
    assert "nothing is wrong" in capsys.readouterr().out
    shard = root / "test" / "000000.tar"
    shard.write_bytes(shard.read_bytes()[:700])
    assert main(["prep", "validate", str(root), "workers=1"]) == 2
    captured = capsys.readouterr()
    assert "unreadable: 1" in captured.out
    assert "found 1 faults" in captured.err
    assert main(["prep", "validate", str(root / "nowhere")]) == 2
    assert "expected face shards with an index.parquet" in capsys.readouterr().err


def test_a_changed_byte_is_found_by_its_hash(root):
    row = next(read_index(root).itertuples())
    with open(root / row.shard, "r+b") as file:
        file.seek(row.offset + 512 + 200)  # in the first member
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    assert faults(root) == [("hash", "p0/v/0")]


def test_a_set_without_hashes_is_read_and_says_so(root):
    change_index(root, lambda table: table.drop(columns="sha256"))
    result = validate_set(root, workers=1)
    assert (result.findings, result.hashed) == ((), 0)


def test_an_index_that_says_something_else(root):
    def change(table):
        table.loc[0, "frames"] = 9
        return table

    change_index(root, change)
    assert faults(root) == [("index", "p0/v/0")]


def test_a_clip_twice_and_a_speaker_in_two_splits(root):
    def change(table):
        table.loc[4, "speaker"] = "p0"
        return pd.concat([table, table.iloc[1:2]])

    change_index(root, change)
    found = faults(root)
    assert ("twice", "p1/v/0") in found
    assert ("speaker_in_two_splits", "p0") in found
    assert ("index", "p4/v/0") in found


def test_labels_that_are_no_numbers(tmp_path):
    pose = np.zeros((NUM_FRAMES, 6), np.float32)
    pose[3, 2] = np.nan
    root = write(tmp_path, make_clip(0, "train"), make_clip(1, "train", pose=pose))
    assert faults(root) == [("not_finite", "p1/v/0")]


def test_the_same_pictures_under_another_name(tmp_path):
    first = make_clip(0, "train")
    again = FaceClip(**{**first.__dict__, "key": "q/v/0", "speaker": "q", "split": "test"})
    within = FaceClip(**{**first.__dict__, "key": "r/v/0", "speaker": "r"})
    root = write(tmp_path, first, within, make_clip(1, "val"), again)
    assert faults(root) == [
        ("same_pictures_in_two_splits", "q/v/0"),
        ("same_pictures_in_two_splits", "q/v/0"),
    ]


def test_picture_hash_survives_noise_and_tells_pictures_apart():
    rng = np.random.default_rng(0)
    clips = [make_clip(seed, "train").frames for seed in range(8)]
    noisy = [np.clip(c + rng.normal(0, 2, c.shape), 0, 255).astype(np.uint8) for c in clips]
    for index, frames in enumerate(clips):
        assert (picture_hash(frames) ^ picture_hash(noisy[index])).bit_count() <= 6
        for other in clips[index + 1 :]:
            assert (picture_hash(frames) ^ picture_hash(other)).bit_count() > 30


@pytest.mark.parametrize("changed", [0, 5, 6, 7])
def test_near_hashes_are_found_to_the_limit(changed):
    value = int.from_bytes(np.random.default_rng(1).bytes(24), "big")
    other = value
    for bit in range(changed):
        other ^= 1 << (bit * 16)  # one a band: the hardest case
    found = list(same_pictures({"a": value, "b": other}, {"a": "train", "b": "test"}))
    assert len(found) == (changed <= 6)
    assert all(finding.fault == Fault.SAME_PICTURES_IN_TWO_SPLITS for finding in found)
