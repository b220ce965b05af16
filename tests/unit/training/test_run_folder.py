"""What a power cut tore counts as absent, and is said; what is written is on the disk."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from toy import toy_config

from vasa.durable import sync_folder
from vasa.models.checkpoint import save_model
from vasa.training.checkpoint_store import CheckpointNote, CheckpointStore
from vasa.training.run_folder import RunFolder, write_atomically
from vasa.training.runner import train
from vasa.types import InputError

TORN = {"empty": b"", "cut": None, "zeros": bytes(64), "no text": b"\xff\xfe\xff"}
"""What a journalling file system leaves of a file that was renamed before it was written."""

PACKAGES = "torch==2.14\n"
START = {
    "started_at": "now",
    "diff": None,
    "packages": f"packages_{hashlib.sha256(PACKAGES.encode()).hexdigest()[:8]}.txt",
}


def tear(path: Path, how: str) -> None:
    content = TORN[how]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if content is None else content)


def opened(path: Path, **changes: int) -> RunFolder:
    folder = RunFolder(path)
    config = {"seed": 0, "module": {"lr": 0.1, "width": 8}, "max_steps": 3, **changes}
    folder.check_same(config)
    environment = {"started_at": "now", "a": 1, "packages": {"torch": "2.14"}, "diff": ""}
    folder.open(config=config, overrides=["seed=0"], environment=environment)
    return folder


@pytest.mark.parametrize("how", TORN)
def test_torn_configuration_is_no_other_run(tmp_path, capsys, how):
    folder = opened(tmp_path)
    tear(folder.config, how)
    assert folder.known_config() is None
    opened(tmp_path, max_steps=4)
    said = capsys.readouterr().err
    assert "config.yaml is torn" in said and len(said.splitlines()) == 1
    assert folder.known_config() == {
        "seed": 0,
        "module": {"lr": 0.1, "width": 8},
        "max_steps": 4,
    }
    with pytest.raises(InputError, match="max_steps: 4 there, 3 now"):
        opened(tmp_path)


@pytest.mark.parametrize("how", TORN)
def test_torn_environment_loses_the_starts_and_says_so(tmp_path, capsys, how):
    opened(tmp_path)
    opened(tmp_path)
    record = tmp_path / "env.json"
    assert json.loads(record.read_text())["starts"] == [START, START]
    tear(record, how)
    opened(tmp_path)
    said = capsys.readouterr().err
    assert "env.json is torn" in said and len(said.splitlines()) == 1
    assert json.loads(record.read_text())["starts"] == [START]


@pytest.mark.parametrize("how", TORN)
def test_torn_mark_of_the_end_is_none(tmp_path, how):
    folder = opened(tmp_path)
    assert not folder.is_complete()
    folder.finish({"step": 3})
    assert folder.is_complete()
    tear(folder.done, how)
    assert not folder.is_complete()


def test_run_continues_where_both_records_are_torn(tmp_path, capsys):
    words = (f"run_dir={tmp_path}", "max_steps=3")
    train(cfg=toy_config(*words))
    for name in ("config.yaml", "env.json", "done.json"):
        os.truncate(tmp_path / name, 0)
    train(cfg=toy_config(*words))
    assert RunFolder(tmp_path).is_complete()
    assert capsys.readouterr().err.count("is torn") == 2


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what was synced and renamed, in order."""
    found: list[str] = []
    real_sync, real_replace, real_rename = os.fsync, os.replace, os.rename

    def fsync(number: int) -> None:
        found.append(f"sync {Path(os.readlink(f'/proc/self/fd/{number}')).name}")
        real_sync(number)

    def replace(before: Path, after: Path) -> None:
        found.append(f"rename {Path(after).name}")
        real_replace(before, after)

    def rename(before: Path, after: Path) -> None:
        found.append(f"rename {Path(after).name}")
        real_rename(before, after)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(os, "rename", rename)
    return found


def test_text_is_synced_before_its_name_and_the_folder_after_it(tmp_path, calls):
    write_atomically(tmp_path / "a.json", "{}")
    assert calls == ["sync .a.json.part", "rename a.json", f"sync {tmp_path.name}"]


def test_checkpoint_and_its_note_are_synced_before_their_names_and_the_folder_after(
    tmp_path, calls
):
    store = CheckpointStore(folder=tmp_path, keep_last=1, keep_best=0)
    store.save_checkpoint({"a": 1}, store.path_of(1), CheckpointNote(step=1, score=None))
    name, folder = "step_0000001", f"sync {tmp_path.name}"
    assert calls[:6] == [
        "sync .saving.part",
        *(f"sync .{name}.json.part", f"rename {name}.json", folder),
        *(f"rename {name}.ckpt", folder),
    ]


def test_model_is_synced_before_its_name_and_the_folder_after(tmp_path, calls):
    from toy import ToyNet

    save_model(ToyNet(width=2), {"_target_": "vasa.toy.ToyNet", "width": 2}, tmp_path / "model")
    last = calls.index("rename model")
    assert set(calls[:last]) == {"sync model.safetensors", "sync config.json", "sync .model.part"}
    assert calls[last + 1 :] == [f"sync {tmp_path.name}"]


def test_disk_that_fails_to_sync_is_told(tmp_path, monkeypatch):
    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        sync_folder(tmp_path)
