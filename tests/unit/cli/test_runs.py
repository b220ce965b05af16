"""`vasa runs` on made-up run folders."""

import csv
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from vasa.cli import main

LOSSES = [3.0, 1.5, 2.0]


def write_run(root: Path, name: str, *, losses=LOSSES, done=True, **changes: Any) -> Path:
    """A run folder as training leaves it; `a__b` in changes is the key a.b."""
    run = root / name
    run.mkdir(parents=True)
    config: dict[str, Any] = {"stage": "stage1", "name": "tiny", "seed": 0, "max_steps": 30}
    config |= {"run_dir": str(run), "data": {"batch_size": 8, "root": "set"}}
    for key, value in changes.items():
        *branches, leaf = key.split("__")
        node = config
        for branch in branches:
            node = node.setdefault(branch, {})
        node[leaf] = value
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    (run / "overrides.txt").write_text("")
    environment = {"commit": "0123456789abcdef", "is_dirty": name == "b"}
    (run / "env.json").write_text(json.dumps(environment))
    lines = [
        {"step": 10 * (index + 1), "time_s": 60.0 * (index + 1), "train/loss": loss}
        for index, loss in enumerate(losses)
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if done:
        record = {"step": 30, "time_s": 3700.0, "model_hash": name.ljust(8, "0") * 8}
        (run / "done.json").write_text(json.dumps(record))
    return run


@pytest.fixture
def root(tmp_path) -> Path:
    runs = tmp_path / "runs"
    write_run(runs, "a")
    write_run(runs, "b", losses=[2.5, 1.0], done=False, data__batch_size=16)
    write_run(runs, "deep/c", stage="stage2", losses=[0.5], seed=1)
    write_run(runs, "deep/d", stage="stage2", losses=[float("nan"), 0.7], seed=2, extra="only here")
    return runs


def rows(capsys, *words: str) -> list[dict[str, Any]]:
    assert main(["runs", *words, "format=json"]) == 0
    return json.loads(capsys.readouterr().out)


def paths(capsys, *words: str) -> list[str]:
    return [row["path"] for row in rows(capsys, *words)]


def test_a_row_says_what_the_records_say(root, capsys):
    first, second, *_ = rows(capsys, str(root))
    assert first == {
        "path": "a",
        "stage": "stage1",
        "state": "done",
        "steps": 30,
        "max_steps": 30,
        "time_s": 3700.0,
        "commit": "01234567",
        "data_hash": None,
        "train/loss": 2.0,
        "best:train/loss": 1.5,
        "seed": 0,
        "data.batch_size": 8,
        "extra": None,
    }
    assert (second["state"], second["steps"], second["time_s"]) == ("running", 20, 120.0)
    assert (second["commit"], second["data.batch_size"]) == ("01234567+", 16)


def test_only_differences_within_a_stage_are_columns(root, capsys):
    assert "data.batch_size" in rows(capsys, str(root))[0]
    one_stage = rows(capsys, str(root), "filter=stage=stage2")
    assert "data.batch_size" not in one_stage[0] and "stage" in one_stage[0]
    assert [row["seed"] for row in one_stage] == [1, 2]
    assert [row["extra"] for row in one_stage] == [None, "only here"]


def test_states(root, capsys):
    old = time.time() - 4000
    for path in (root / "b").iterdir():
        os.utime(path, (old, old))
    failed = write_run(root, "e", done=False)
    (failed / "nonfinite.json").write_text("{}")
    assert [row["state"] for row in rows(capsys, str(root))] == [
        "done", "stopped", "done", "done", "failed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["filter=stage=stage2"], ["deep/c", "deep/d"]),
        (["filter=data.batch_size=16"], ["b"]),
        (["filter=data.batch_size=8.0", "filter=path=*a"], ["a"]),
        (["filter=path=deep/*", "filter=seed=2"], ["deep/d"]),
        (["filter=['stage=stage2','seed=1']"], ["deep/c"]),
        (["filter=state=done", "filter=steps=30", "sort=-path"], ["deep/d", "deep/c", "a"]),
        (["sort=best:train/loss"], ["deep/c", "deep/d", "b", "a"]),
        (["sort=-train/loss"], ["a", "b", "deep/d", "deep/c"]),
        (["sort=-extra"], ["deep/d", "a", "b", "deep/c"]),
        (["filter=name=other"], []),
    ],
)
def test_filter_and_sort(words, expected, root, capsys):
    assert paths(capsys, str(root), *words) == expected


def test_best_has_a_direction(root, capsys):
    row = rows(capsys, str(root), "metric=train/loss:higher")[0]
    assert (row["train/loss"], row["best:train/loss"]) == (2.0, 3.0)
    row = rows(capsys, str(root), "metric=[train/loss,val/none]")[0]
    assert row["val/none"] is None


def test_results_of_evaluations_belong_to_their_model(root, capsys):
    measured = [
        {"metric": "self/psnr", "value": 20.0, "models": {"stage1": "a0000000", "stage2": "x"}},
        {"metric": "self/psnr", "value": 22.0, "models": {"stage1": "a0000000"}},
        {"metric": "self/other", "value": 1.0, "models": {"stage1": "a0000000"}},
    ]
    text = "".join(json.dumps(row) + "\n" for row in measured)
    (root / "results.jsonl").write_text(text + '{"metric": "self/psnr", broken}\n')
    assert main(["runs", str(root), "metric=self/psnr:higher", "format=json"]) == 0
    captured = capsys.readouterr()
    assert [row["self/psnr"] for row in json.loads(captured.out)] == [22.0, None, None, None]
    assert "results.jsonl: 1 lines" in captured.err


def test_damaged_records_are_counted_and_not_fatal(root, capsys):
    (root / "a" / "config.yaml").write_text("stage: [unclosed\n")
    (root / "a" / "done.json").write_text('{"step": 3')
    (root / "b" / "env.json").write_text("[1, 2]")
    with (root / "b" / "metrics.jsonl").open("ab") as file:
        file.write(b'\xff\xfe\n{"step": 30, "time_s": 180.0, "train/loss": 0.9}\n{"step": 4')
    (root / "deep/c" / "config.yaml").unlink()
    assert main(["runs", str(root), "format=json"]) == 0
    captured = capsys.readouterr()
    found = {row["path"]: row for row in json.loads(captured.out)}
    assert list(found) == ["a", "b", "deep/c", "deep/d"]
    assert (found["a"]["state"], found["a"]["steps"], found["a"]["stage"]) == ("done", 30, None)
    assert (found["b"]["train/loss"], found["b"]["commit"]) == (0.9, None)
    assert captured.err.startswith("vasa: 5 damaged records, left out:")
    for name in ("a/config.yaml", "a/done.json", "b/env.json", "b/metrics.jsonl: 1 lines"):
        assert name in captured.err


def test_csv_has_all_and_a_table_is_short(root, capsys):
    assert main(["runs", str(root), "format=csv"]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["data.batch_size"] for row in table] == ["8", "16", "8", "8"]
    assert table[0]["extra"] == ""
    assert main(["runs", str(root), "max_columns=1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:6] == ["path", "stage", "state", "steps", "time", "commit"]
    assert lines[1].split()[:5] == ["a", "stage1", "done", "30/30", "1:01:40"]
    assert "2 more keys differ" in lines[-1] and len(lines) == 6


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["input=nowhere"], "expected a folder of runs, found none at nowhere"),
        (["format=xml"], "expected format=table, csv or json, got format=xml"),
        (["filter=stage"], "expected filter=key=value, got filter=stage"),
        (["filter=data.bath_size=8"], "no run has the column or key 'data.bath_size' (nearest: da"),
        (["sort=-lost"], "no run has the column or key 'lost'"),
        (["metric=train/loss:best"], "expected metric=NAME, NAME:lower or NAME:higher"),
        (["fliter=a=b"], "fliter"),
    ],
)
def test_mistakes_are_one_line(words, expected, root, capsys):
    assert main(["runs", *(words if words[0][:5] == "input" else [str(root), *words])]) == 2
    line = capsys.readouterr().err
    assert line.startswith("vasa: ") and len(line.splitlines()) == 1
    assert expected in line


def test_no_runs_is_no_mistake(tmp_path, capsys):
    assert main(["runs", str(tmp_path)]) == 0
    assert "no runs in" in capsys.readouterr().err


def test_hundreds_of_runs_are_quick_and_take_no_torch(tmp_path):
    for number in range(200):
        losses = [1.0 / (step + 1) for step in range(50)]
        write_run(tmp_path, f"run{number}", losses=losses, seed=number)
    program = (
        "import sys\n"
        "from vasa.cli import main\n"
        f"code = main(['runs', {str(tmp_path)!r}, 'filter=seed=7'])\n"
        "assert 'torch' not in sys.modules\n"
        "sys.exit(code)\n"
    )
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2 and done.stdout.splitlines()[1].startswith("run7 ")
    assert time.perf_counter() - started < 15


def test_runs_are_chosen_by_their_data(root, capsys):
    """One that was continued on a set made anew has both."""
    starts = [{"commit": "1" * 40, "data_hash": "a" * 64}, {"commit": "2" * 40}]
    starts[1]["data_hash"] = "b" * 64
    (root / "b" / "env.json").write_text(json.dumps({"starts": starts}))
    (row,) = rows(capsys, str(root), "filter=data_hash=*bbbbbbbb*")
    assert (row["path"], row["data_hash"]) == ("b", "aaaaaaaa,bbbbbbbb")
    assert row["commit"] == "11111111,22222222"
