"""Damaged sets on disk: what is wrong is found, counted, and others take the places."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from five_people import write_five_people
from small_motion import small_config, write_small_motion

from vasa.data.bad_clips import BadClipError, BadClips, Fault
from vasa.data.clip_store import ClipStore, MotionStore
from vasa.data.face_datamodule import FaceDataModule
from vasa.data.shards import read_clip, read_index
from vasa.training.runner import train
from vasa.types import InputError


@pytest.fixture
def faces(tmp_path) -> Path:
    return write_five_people(tmp_path / "faces")


def overwrite(root: Path, row, *, at: int, data: bytes) -> None:
    """Bytes of a clip, counted from its place in the shard."""
    with open(root / row.shard, "r+b") as file:
        file.seek(row.offset + at)
        file.write(data)


def without_hashes(root: Path) -> None:
    """As sets are that were written before there were any."""
    table = pd.read_parquet(root / "index.parquet")
    table.drop(columns=["sha256", "members"]).to_parquet(root / "index.parquet", index=False)


def in_the_pictures(root: Path, row) -> None:
    overwrite(root, row, at=2000, data=bytes([1, 2, 3]))


def in_the_header(root: Path, row) -> None:
    """Of a set whose index does not say where its members are."""
    overwrite(root, row, at=0, data=b"\xff" * 300)
    table = pd.read_parquet(root / "index.parquet")
    table.drop(columns="members").to_parquet(root / "index.parquet", index=False)


def at_the_end(root: Path, row) -> None:
    with open(root / row.shard, "r+b") as file:
        file.truncate(row.offset + 700)


def all_of_it(root: Path, row) -> None:
    (root / row.shard).unlink()


def in_the_pictures_unseen(root: Path, row) -> None:
    overwrite(root, row, at=512, data=bytes(600))
    without_hashes(root)


def in_the_index(root: Path, row) -> None:
    table = pd.read_parquet(root / "index.parquet")
    table.loc[row.Index, "frames"] = 12
    table.to_parquet(root / "index.parquet", index=False)


DAMAGE = {
    in_the_pictures: (Fault.WRONG_HASH, 1),
    in_the_header: (Fault.UNREADABLE, 1),
    at_the_end: (Fault.TRUNCATED, 1),
    all_of_it: (Fault.MISSING, 2),
    in_the_pictures_unseen: (Fault.UNDECODABLE, 1),
    in_the_index: (Fault.UNDECODABLE, 1),
}


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_damage_is_named_and_replaced_by_the_same_person(damage, faces, capsys):
    rows = list(read_index(faces, split="train").itertuples())
    index = 9  # the second clip of p4, the last of its shard
    damage(faces, rows[index])
    fault, count = DAMAGE[damage]
    store = ClipStore(faces, split="train", cache_gb=0, max_bad_share=0.5)
    assert store[index].key == "p4/v/4"
    assert store.bad.counts() == {name: count * (name == fault) for name in Fault}
    assert "p4/v/9" in capsys.readouterr().err
    strict = ClipStore(faces, split="train", cache_gb=0)
    with pytest.raises(InputError, match=rf"{count} of 10 clips \({count} {fault}\), the last"):
        strict[index]


def test_a_clip_that_stays_in_memory_is_not_read_again(faces):
    store = ClipStore(faces, split="train", cache_gb=0.1)
    first = store[0]
    for path in faces.glob("train/*.tar"):
        path.unlink()
    assert store[0] is first


def test_when_all_is_lost_it_ends_whatever_the_share(faces):
    for path in faces.glob("train/*.tar"):
        path.unlink()
    store = ClipStore(faces, split="train", cache_gb=0, max_bad_share=1.0)
    with pytest.raises(InputError, match="10 of 10 clips"):
        store[3]


def test_order_of_replacements():
    table = pd.DataFrame(
        {"key": list("abcdef"), "shard": list("xxyyzz"), "speaker": list("pqpqpr")}
    )
    bad = BadClips(table, max_share=1.0, what="a set")
    assert list(bad.candidates(2)) == [2, 4, 0, 3, 5, 1]
    bad.add(3, BadClipError(Fault.UNREACHABLE, "y"))
    bad.add(3, BadClipError(Fault.WRONG_HASH, "y"))
    assert [index in bad for index in range(6)] == [False, False, True, True, False, False]
    assert bad.summary() == "2 of 6 clips (2 unreachable)"


def test_reports_come_to_an_end(capsys):
    table = pd.DataFrame({"key": range(30), "shard": range(30), "speaker": range(30)})
    bad = BadClips(table, max_share=1.0, what="a set")
    for index in range(30):
        bad.add(index, BadClipError(Fault.TRUNCATED, "short"))
    assert len(capsys.readouterr().err.splitlines()) == 11
    assert bad.counts()[Fault.TRUNCATED] == 30


def test_one_bad_clip_outside_of_training_is_one_line(faces):
    row = next(read_index(faces, split="train").itertuples())
    in_the_header(faces, row)
    with pytest.raises(InputError, match="train/000000.tar holds no tar there.*vasa prep validate"):
        read_clip(faces, row)


def test_batches_of_a_damaged_set_do_not_depend_on_workers_or_history(faces):
    in_the_pictures(faces, list(read_index(faces, split="train").itertuples())[3])

    def made(**changes) -> FaceDataModule:
        settings = {"split": "train", "batch_size": 8, "frames_per_clip": 2, "min_distance": 3}
        settings |= {"seed": 0, "num_steps": 6, "num_workers": 0, "cache_gb": 0.0, **changes}
        return FaceDataModule(root=str(faces), max_bad_share=0.1, **settings)

    first = list(made().train_dataloader())
    resumed = made(num_workers=2)
    resumed.batches_consumed = 3
    for one, other in zip(first[3:], resumed.train_dataloader(), strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_motion_has_its_own_hash(tmp_path):
    root = write_small_motion(tmp_path)
    rows = list(read_index(root, split="train").itertuples())
    arrays_at = 512 + 400
    overwrite(root, rows[1], at=arrays_at, data=b"\x55")
    store = MotionStore(root, split="train", cache_gb=0, max_bad_share=0.5)
    assert store[1].key == rows[2].key and store[0].key == rows[0].key
    assert store.bad.counts()[Fault.WRONG_HASH] == 1


def lines(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_run_records_what_it_left_out(tmp_path, capsys):
    root = write_small_motion(tmp_path / "motion")
    train(cfg=small_config(root, f"run_dir={tmp_path / 'whole'}"))
    assert not [name for line in lines(tmp_path / "whole") for name in line if "bad" in name]
    overwrite(root, next(read_index(root, split="train").itertuples()), at=900, data=b"\x55")
    allowed = ("data.max_bad_share=0.4", f"run_dir={tmp_path / 'damaged'}")
    capsys.readouterr()
    train(cfg=small_config(root, *allowed))
    last = lines(tmp_path / "damaged")[-1]
    assert {name: value for name, value in last.items() if "bad" in name} == {
        "data/bad_wrong_hash": 1.0
    }
    said = capsys.readouterr().err
    assert "left out 1 clip: train0/v/0" in said
    assert "1 of 3 clips (1 wrong_hash) could not be read; others took their places" in said
    with pytest.raises(InputError, match="max_bad_share"):
        train(cfg=small_config(root, "data.max_bad_share=0.2", f"run_dir={tmp_path / 'strict'}"))


def test_labels_are_checked_before_they_are_believed(faces):
    """An npz that holds objects is a bad clip, never run."""
    row = next(read_index(faces, split="train").itertuples())
    harmful = io.BytesIO()
    np.savez(harmful, pose=np.array([print], dtype=object))
    with tarfile.open(faces / row.shard) as archive:
        member = next(item for item in archive if item.name.endswith(".npz"))
        padded = harmful.getvalue().ljust(member.size, b"\0")[: member.size]
        overwrite(faces, row, at=member.offset_data - row.offset, data=padded)
    without_hashes(faces)
    store = ClipStore(faces, split="train", cache_gb=0, max_bad_share=0.1)
    store[0]
    assert store.bad.counts()[Fault.UNDECODABLE] == 1
