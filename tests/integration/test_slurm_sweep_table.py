"""What experiment 011 makes of SLURM's words and of its record."""

import importlib
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

EXPERIMENT = Path(__file__).resolve().parents[2] / "experiments" / "011-slurm-sweep"
JOBS = """\
JobId=7 ArrayJobId=5 ArrayTaskId=0 JobName=vasa JobState=COMPLETED Restarts=1 BatchFlag=1
JobId=5 ArrayJobId=5 ArrayTaskId=1 JobName=vasa JobState=PENDING Restarts=0 BatchFlag=1
JobId=2 ArrayJobId=1 ArrayTaskId=0 JobName=vasa JobState=COMPLETED Restarts=3 BatchFlag=1
JobId=9 JobName=wrap JobState=COMPLETED Restarts=0 BatchFlag=1
"""


@pytest.fixture
def load(monkeypatch):
    def loaded(name: str) -> ModuleType:
        monkeypatch.setattr(sys, "path", [str(EXPERIMENT), *sys.path])
        for other in ("sweep", "table"):  # other experiments have scripts of the same names
            monkeypatch.delitem(sys.modules, other, raising=False)
        return importlib.import_module(name)

    return loaded


def test_restarts_are_those_of_the_newest_array(load, tmp_path, monkeypatch):
    (tmp_path / "scontrol").write_text(f"#!/bin/sh\ncat <<'END'\n{JOBS}END\n")
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert load("sweep").restarts() == [1, 0]


def test_table_says_what_befell_each_member(load, tmp_path):
    table = load("table")
    rounds = [
        {"exit_code": code, "seconds": 9.0, "said": [], "done": done, "steps": [3, 1], "starts": n}
        for code, done, n in ((1, 1, [2, 1]), (0, 2, [2, 2]))
    ]
    record = {"members": ["a", "b"], "killed": 1, "preempted": [0], "rounds": rounds}
    record |= {"swept": ["x", "y"], "alone": ["x", "y"]}
    (tmp_path / "record.json").write_text(json.dumps(record))
    (tmp_path / "sweep.md").write_text("# Sweep\n\nnothing\n")
    shutil.copy(EXPERIMENT / "README.md", tmp_path)
    table.main(tmp_path, tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert "| `a` | preempted, requeued | 3 | 3 | 2 | yes |" in text
    assert "| `b` | killed by SIGKILL | 1 | 1 | 2 | yes |" in text
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert all(row["seed"] == [0, 1] for row in rows)
    assert "1 preempted by an urgent job" in rows[0]["note"]
