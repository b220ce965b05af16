"""Checkpoints are whole or not there, the newest whole one is found, few are kept."""

import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from full_disk import room_for

from vasa.training.checkpoint_store import CheckpointNote, CheckpointStore
from vasa.types import InputError


@pytest.fixture
def store(tmp_path) -> CheckpointStore:
    return CheckpointStore(folder=tmp_path, keep_last=2, keep_best=1)


def save(store: CheckpointStore, step: int, *, score: float | None = None) -> Path:
    path = store.path_of(step)
    content = {"step": step, "weights": torch.full((5000,), float(step))}
    store.save_checkpoint(content, path, CheckpointNote(step=step, score=score))
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_saved_comes_back_and_leaves_nothing_aside(store, tmp_path):
    path = save(store, 7, score=0.5)
    assert names(tmp_path) == ["last.ckpt", "step_0000007.ckpt", "step_0000007.json"]
    found = store.newest()
    assert found == path
    loaded = store.load_checkpoint(found)
    assert loaded["step"] == 7 and torch.equal(loaded["weights"], torch.full((5000,), 7.0))
    note = json.loads((tmp_path / "step_0000007.json").read_text())
    assert note["step"] == 7 and note["score"] == 0.5 and note["num_bytes"] == path.stat().st_size


def test_the_newest_and_the_best_are_kept_and_the_link_leads_to_the_newest(store, tmp_path):
    for step, score in enumerate((5.0, 1.0, 3.0, 2.0, 4.0), start=1):
        save(store, step, score=score)
    kept = [int(path.stem[5:]) for path in sorted(tmp_path.glob("step_*.ckpt"))]
    assert kept == [2, 4, 5]
    assert sorted(tmp_path.glob("step_*.json")) == [
        path.with_suffix(".json") for path in sorted(tmp_path.glob("step_*.ckpt"))
    ]
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["step"] == 5


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "one bit": flip,
    "torn": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "no note": lambda path: path.with_suffix(".json").unlink(),
    "torn note": lambda path: os.truncate(path.with_suffix(".json"), 9),
    "another's note": lambda path: path.with_suffix(".json").write_text('{"sha": 1}'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_reported_and_the_one_before_is_used(store, tmp_path, damage, capsys):
    before, newest = save(store, 1), save(store, 2)
    DAMAGES[damage](newest)
    found = CheckpointStore(folder=tmp_path, keep_last=2, keep_best=0)
    assert found.newest() == before
    said = capsys.readouterr().err
    assert f"{newest} is damaged" in said and len(said.splitlines()) == 1
    save(found, 2)
    assert found.newest() == newest
    DAMAGES[damage](before)
    DAMAGES[damage](newest)
    assert CheckpointStore(folder=tmp_path, keep_last=2, keep_best=0).newest() is None


def test_a_damaged_one_does_not_count_among_the_kept(store, tmp_path):
    for step in (1, 2):
        save(store, step)
    flip(store.path_of(2))
    assert store.newest() == store.path_of(1)
    save(store, 3)
    assert [path.name for path in sorted(tmp_path.glob("step_*"))] == [
        "step_0000001.ckpt",
        "step_0000001.json",
        "step_0000003.ckpt",
        "step_0000003.json",
    ]


@pytest.mark.parametrize("left", [".saving.part", "step_0000009.json", ".last.part"])
def test_what_a_kill_left_of_a_save_is_no_checkpoint_and_goes(store, tmp_path, left):
    path = save(store, 1)
    (tmp_path / left).write_text("{}")
    assert store.newest() == path
    newest = save(store, 2)
    assert store.newest() == newest
    assert left not in names(tmp_path)


@pytest.mark.parametrize("num_bytes", [0, 10_000])
def test_a_full_disk_is_said_loudly_leaves_what_there_was_and_is_tried_again(
    store, tmp_path, num_bytes, capsys
):
    path = save(store, 1)
    with room_for(num_bytes):
        save(store, 2)
        assert store.failure is not None
    assert "CHECKPOINT OF STEP 2 NOT SAVED" in capsys.readouterr().err
    assert store.newest() == path
    assert names(tmp_path) == ["last.ckpt", "step_0000001.ckpt", "step_0000001.json"]
    newest = save(store, 3)
    assert store.failure is None and store.newest() == newest
    assert "saved again, of step 3" in capsys.readouterr().err


class _Intruder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_in_a_checkpoint_is_never_run(store, tmp_path):
    """Its hash is right: the file is what was written, by somebody else."""
    proof = tmp_path / "it ran"
    path = store.path_of(1)
    store.save_checkpoint({"weights": _Intruder(proof)}, path, CheckpointNote(step=1, score=None))
    assert store.newest() == path
    with pytest.raises(InputError, match="expected tensors and plain values"):
        store.load_checkpoint(path)
    path.write_bytes(pickle.dumps(_Intruder(proof)))
    with pytest.raises(InputError, match="expected tensors and plain values"):
        store.load_checkpoint(path, weights_only=False)
    assert not proof.exists()


def test_a_checkpoint_of_a_version_without_hashes_is_continued(store, tmp_path):
    torch.save({"step": 3}, tmp_path / "last.ckpt")
    assert store.newest() == tmp_path / "last.ckpt"
    path = save(store, 4)
    assert store.newest() == path
    assert (tmp_path / "last.ckpt").resolve() == path


@pytest.mark.parametrize(("last", "best"), [(0, 0), (1, -1)])
def test_keeping_none_is_refused(tmp_path, last, best):
    with pytest.raises(InputError, match="checkpoint_last of 1 or more"):
        CheckpointStore(folder=tmp_path, keep_last=last, keep_best=best)
