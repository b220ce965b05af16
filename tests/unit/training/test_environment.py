"""What env.json says of code, machine and data, for each start of a run."""

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch
from small_motion import small_config, write_small_motion

from vasa.data.shards import index_hash
from vasa.evaluation.report.run_records import Results, read_run
from vasa.training.environment import code_state, device_facts, distributions
from vasa.training.run_folder import RunFolder, describe_environment
from vasa.training.runner import train


def git(clone: Path, *words: str) -> str:
    names = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", clone, *names, *words], capture_output=True, check=True)
    return done.stdout.decode()


@pytest.fixture
def clone(tmp_path) -> Path:
    root = tmp_path / "clone"
    root.mkdir()
    git(root, "init", "-q")
    (root / ".gitignore").write_text("runs/\n")
    for name, text in {"known.py": "one = 1\n", "known.jsonl": "{}\n"}.items():
        (root / name).write_text(text)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    return root


def test_a_clean_clone_is_its_commit(clone):
    found = code_state(clone)
    commit = git(clone, "rev-parse", "HEAD").strip()
    assert found == {"commit": commit, "is_dirty": False, "diff": ""}
    assert code_state(clone.parent) == {"commit": None, "is_dirty": False, "diff": ""}


@pytest.mark.parametrize(
    ("name", "is_code"),
    [
        ("known.py", True),
        ("new.py", True),
        ("conf/with a space.yaml", True),
        ("known.jsonl", False),
        ("picture.png", False),
        ("runs/ignored.py", False),
    ],
)
def test_changes_and_new_code_are_dirt_that_the_diff_shows(clone, name, is_code):
    path = clone / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("two = 2\n")
    before = git(clone, "status", "--porcelain")
    found = code_state(clone)
    assert found["is_dirty"] == is_code
    assert ("+two = 2" in found["diff"]) == is_code
    assert git(clone, "status", "--porcelain") == before  # its index is as it was


def test_the_diff_makes_the_commit_what_was_run(clone, tmp_path):
    (clone / "known.py").write_text("one = 3\n")
    (clone / "new.py").write_text("two = 2\n")
    patch = tmp_path / "code.patch"
    patch.write_text(code_state(clone)["diff"])
    git(tmp_path, "clone", "-q", str(clone), "again")
    git(tmp_path / "again", "apply", str(patch))
    for name in ("known.py", "new.py"):
        assert (tmp_path / "again" / name).read_text() == (clone / name).read_text()


def test_devices_and_packages_are_named(monkeypatch):
    assert device_facts("cpu")["gpu"] is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H200")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91000)
    facts = device_facts("cuda:0")
    assert (facts["gpu"], facts["gpu_count"]) == ("NVIDIA H200", 4)
    assert distributions()["torch"] == metadata.version("torch")


def test_packages_are_those_that_python_imports(tmp_path, monkeypatch):
    """setuptools puts its own packages on the path of a process that builds something."""
    before = distributions()
    for folder in ("_vendor", "later"):
        for name in ("torch", f"only_{folder}"):
            info = tmp_path / folder / f"{name}-0.1.dist-info"
            info.mkdir(parents=True)
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
        monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / folder)])
    assert distributions() == dict(sorted({**before, "only_later": "0.1"}.items()))


def start(folder: RunFolder, **changes: Any) -> dict[str, Any]:
    environment = {**describe_environment(device="cpu"), "data_hash": "a" * 64, **changes}
    folder.open(config={"stage": "toy"}, overrides=[], environment=environment)
    return json.loads((folder.path / "env.json").read_text())


def test_each_start_is_kept_with_its_code_and_packages(tmp_path, capsys):
    folder = RunFolder(tmp_path)
    one = {"commit": "1" * 40, "is_dirty": False, "diff": ""}
    two = {"commit": "2" * 40, "is_dirty": True, "diff": "+changed\n"}
    start(folder, **one)
    assert "data set" not in capsys.readouterr().err
    start(folder, **two, data_hash="b" * 64)
    assert "index aaaaaaaa then, bbbbbbbb now" in capsys.readouterr().err
    found = start(folder, **two, data_hash="b" * 64)
    assert "data set" not in capsys.readouterr().err
    assert [begun["commit"][0] for begun in found["starts"]] == ["1", "2", "2"]
    assert [begun["diff"] is None for begun in found["starts"]] == [True, False, False]
    assert found["diff"] == found["starts"][1]["diff"]
    assert (tmp_path / found["diff"]).read_text() == "+changed\n"
    assert f"torch=={metadata.version('torch')}\n" in (tmp_path / found["packages"]).read_text()
    assert len(list(tmp_path.glob("packages_*.txt"))) == 1
    summary = read_run(tmp_path, root=tmp_path, is_higher=None, results=Results())
    assert summary.starts == 3
    assert summary.commit == "11111111,22222222+"
    assert summary.data_hash == "aaaaaaaa,bbbbbbbb"


def test_a_start_of_a_version_that_kept_its_time_alone_stays(tmp_path):
    (tmp_path / "env.json").write_text(json.dumps({"starts": ["2026-01-01T00:00:00Z"]}))
    found = start(RunFolder(tmp_path))
    assert found["starts"][0] == "2026-01-01T00:00:00Z" and len(found["starts"]) == 2


def test_a_run_names_the_index_of_its_data(tmp_path):
    root = write_small_motion(tmp_path / "motion")
    run = train(cfg=small_config(root, f"run_dir={tmp_path / 'run'}", "max_steps=1"))
    found = json.loads((run / "env.json").read_text())
    assert found["data_hash"] == found["starts"][0]["data_hash"] == index_hash(root)


def test_a_run_that_diverged_and_goes_on_is_not_failed_for_ever(tmp_path):
    folder = RunFolder(tmp_path)
    start(folder)
    folder.write_nonfinite({"step": 4})

    def state() -> str:
        return read_run(tmp_path, root=tmp_path, is_higher=None, results=Results()).state

    assert state() == "failed"
    start(folder)
    later = (tmp_path / "nonfinite.json").stat().st_mtime + 5
    os.utime(tmp_path / "env.json", (later, later))
    assert state() == "running"
