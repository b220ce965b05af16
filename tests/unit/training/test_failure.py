"""What is written down of a run that an error ended."""

import json
import os
from pathlib import Path

import pytest
import yaml
from toy import toy_config

from vasa.evaluation.report.run_records import RunSummary, read_results, read_run
from vasa.training.config import resolved
from vasa.training.failure import record_failure

ERROR = RuntimeError("a disk\nis full")


@pytest.fixture
def run(tmp_path) -> Path:
    """A run that has begun."""
    folder = tmp_path / "run"
    folder.mkdir()
    config = resolved(toy_config(f"run_dir={folder}"))
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def record(folder: Path, *words: str, is_member: bool = False) -> Path | None:
    cfg = toy_config(f"run_dir={folder}", *words)
    return record_failure(cfg, ERROR, overrides=["a=1"], is_member=is_member)


def summary(folder: Path) -> RunSummary:
    return read_run(folder, root=folder, is_higher=None, results=read_results([], names=[]))


def test_error_of_a_run_that_had_begun(run):
    path = record(run)
    assert path is not None
    written = json.loads(path.read_text())
    assert written["error"] == "RuntimeError: a disk is full" and written["overrides"] == ["a=1"]
    found = summary(run)
    assert (found.state, found.error) == ("failed", "RuntimeError: a disk is full")
    (run / "env.json").write_text("{}")  # as a later start does
    later = path.stat().st_mtime + 5
    os.utime(run / "env.json", (later, later))
    assert summary(run).state == "running"


def test_only_members_of_a_sweep_leave_a_record_before_they_begin(tmp_path):
    assert record(tmp_path / "single") is None and not (tmp_path / "single").exists()
    record(tmp_path / "member", "seed=7", is_member=True)
    assert [path.name for path in (tmp_path / "member").iterdir()] == ["error.json"]
    found = summary(tmp_path / "member")
    assert (found.state, found.config["seed"], found.damaged) == ("failed", 7, {})


def test_the_folder_of_another_or_of_a_complete_run_is_left_alone(run):
    assert record(run, "seed=7", is_member=True) is None
    (run / "done.json").write_text("{}")
    assert record(run) is None
    assert not (run / "error.json").exists()


def test_a_record_that_cannot_be_written_hides_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    assert record(tmp_path / "file" / "run", is_member=True) is None
    assert record(tmp_path / "run", "module.lr=???", is_member=True) is None
