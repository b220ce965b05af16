"""What experiments 006 and 007 make of records: digests, tables, slopes, on made-up runs."""

import importlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from vasa.evaluation.results import measured_row, write_rows

ROOT = Path(__file__).resolve().parents[2] / "experiments"
RESUME, SOAK = ROOT / "006-resume", ROOT / "007-soak"


@pytest.fixture
def load(monkeypatch):
    """A script of an experiment as a module, with those beside it."""

    def loaded(folder: Path, name: str) -> ModuleType:
        monkeypatch.setattr(sys, "path", [str(folder), str(ROOT), *sys.path])
        for path in folder.glob("*.py"):  # other experiments have scripts of the same names
            monkeypatch.delitem(sys.modules, path.stem, raising=False)
        return importlib.import_module(name)

    return loaded


def run_folder(root: Path, *, weight: float = 1.0, time_s: float = 2.0) -> Path:
    for name in ("checkpoints", "model"):
        (root / name).mkdir(parents=True)
    (root / "model" / "model.safetensors").write_bytes(b"weights")
    (root / "metrics.jsonl").write_text(
        "".join(json.dumps({"step": step, "time_s": time_s * step}) + "\n" for step in (1, 2))
    )
    state = {
        "state_dict": {"weight": torch.full((3,), weight)},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}}],
        "lr_schedulers": [],
        "callbacks": {
            "Record": {"time_s": time_s},
            "ModelEma": {"average": {"weight": torch.ones(3)}},
        },
        "FaceDataModule": {"batches_consumed": 2},
    }
    torch.save(state, root / "checkpoints" / "last.ckpt")
    return root


def test_runs_differ_in_what_they_hold_and_not_in_the_time_they_took(tmp_path, load):
    kills = load(RESUME, "kills")
    whole = kills.content(run_folder(tmp_path / "whole"))
    assert kills.content(run_folder(tmp_path / "slow", time_s=3.0)) == whole
    last_bit = np.nextafter(np.float32(1), np.float32(2))
    other = kills.content(run_folder(tmp_path / "other", weight=float(last_bit)))
    assert {name for name in whole if whole[name] != other[name]} == {"state_dict"}


def test_stages_of_kills_hold_each_kind(load):
    kills = load(RESUME, "kills")
    stages = kills._stages(5.0, 25.0, 10, kills.random.Random(0))
    names = [stage.name for stage in stages]
    assert len(names) == 10 and names[-1] == "end"
    assert names.count("training") >= 4 and {"start-up", "saving"} < set(names)


def record(case: str, *, is_equal: bool = True) -> dict:
    kills = [
        {"stage": stage, "signal": int(number), "folder": "round-0"}
        for stage, number in (
            ("start-up", signal.SIGKILL),
            ("training", signal.SIGKILL),
            ("training", signal.SIGKILL),
            ("saving", signal.SIGTERM),
        )
    ]
    rounds = [{"is_equal": is_equal, "missing": 0, "doubled": 0}] * 2
    control = {"control_is_equal": False, "seconds": [4.0, 20.0]}
    return {"case": case, "kills": kills, "rounds": rounds, **control}


def test_table_of_kills(tmp_path, load):
    table = load(RESUME, "table")
    made = {
        "stage1-0-workers": record("stage1-0-workers"),
        "syncnet-2-workers": record("syncnet-2-workers", is_equal=False),
        "stage2-wandb": record("stage2-wandb"),
    }
    made["stage2-wandb"]["rounds"] = [
        {**one, "steps": 30, "offline_lost": lost}
        for lost, one in enumerate(made["stage2-wandb"]["rounds"])
    ]
    for name, kept in made.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_text(json.dumps(kept))
    shutil.copy(RESUME / "README.md", tmp_path)
    stamp = {"cases": ["stage2-0-workers"]}
    other = {"metric": "resume/kills", "value": 8.0, "unit": "kills", "n": 8, "note": ""}
    write_rows(tmp_path / "results.jsonl", [measured_row(**other, stamp=stamp)])
    table.main(tmp_path, tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert "| stage1-0-workers | 3: 1, 2, 0, 0 | 1, 0 | 2 | 2 of 2 | 0, 0 | no | 20 |" in text
    before = (RESUME / "README.md").read_text().splitlines()
    (kept,) = (line for line in before if line.startswith("| stage2-0-workers |"))
    assert kept in text, "a case that was not run stays as it was"
    first, second = (text.index(f"| {name} |") for name in ("stage1-0-workers", "stage2-0-workers"))
    assert first < second
    assert "| 0 of 2 |" in text
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert rows.pop(0)["cases"] == ["stage2-0-workers"], "results of other cases stay"
    assert [row["metric"] for row in rows] == [
        *("resume/kills", "resume/sigkills", "resume/bit_equal_share"),
        "resume/offline_lines_lost",
    ]
    assert (rows[0]["value"], rows[1]["value"]) == (12, 9)
    assert (rows[2]["value"], rows[2]["control"], rows[2]["n"]) == (pytest.approx(2 / 3), 0.0, 6)
    assert rows[2]["ci_low"] < 2 / 3 < rows[2]["ci_high"]
    assert (rows[3]["value"], rows[3]["n"]) == (1, 60)


def test_curves_of_one_process_and_of_two(tmp_path, load):
    curves, cases = load(RESUME, "curves"), load(RESUME, "cases").CASES
    for one, two in curves.STAGES.values():
        folders = [f"{cases[one].whole}/whole", f"{cases[two].whole}/whole"]
        folders.append(f"{cases[one].whole}/another-seed")
        for folder, factor in zip(folders, (1, 1.01, 3), strict=True):
            root = tmp_path / folder
            root.mkdir(parents=True)
            (root / "done.json").write_text("{}")
            lines = [{"step": step, "train/loss": factor**step / step} for step in range(1, 21)]
            (root / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    shutil.copy(RESUME / "README.md", tmp_path)
    shutil.copy(RESUME / "results.jsonl", tmp_path)
    curves.main(tmp_path, tmp_path)
    before = (RESUME / "results.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [row["metric"] for row in rows[-4:]].count(curves.METRIC) == 3
    assert {json.loads(line)["metric"] for line in before} <= {row["metric"] for row in rows}
    assert rows[-3]["split"] == "stage1"
    assert rows[-3]["value"] == pytest.approx(1.01**20 - 1)
    assert rows[-3]["control"] == pytest.approx(3**20 - 1)
    assert f"| stage1 | 20 | {1.01**10 - 1:.1e} |" in (tmp_path / "README.md").read_text()
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_offline_file_of_wandb_is_read_whole(tmp_path, load, monkeypatch):
    """Its records cross the blocks of the file; another value, or none, is a line lost."""
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    lines = [{"step": step, "train/loss": step / 7} for step in range(1, 500)]
    settings = wandb.Settings(silent=True, console="off")
    run = wandb.init(dir=tmp_path, mode="offline", settings=settings)
    for line in lines:
        run.log({"train/loss": line["train/loss"]}, step=line["step"])
    run.finish()
    wandb.teardown()  # its service may still write
    offline = load(RESUME, "offline")
    assert offline.newest_file(tmp_path).stat().st_size > offline.BLOCK_BYTES

    def lost(*lines):
        kept = (json.dumps({**line, "time_s": 1.0}) for line in lines)
        (tmp_path / "metrics.jsonl").write_text("\n".join(kept))
        return offline.lost_lines(tmp_path)

    assert lost(*lines) == 0
    assert lost(*lines, {"step": 500, "train/loss": 1.0}) == 1
    assert lost({"step": 7, "train/loss": 2.0}) == 1
    assert lost({**lines[7], "speed/samples_per_s": 3.0}) == 1


def test_slope_of_memory_and_its_interval(load):
    soak = load(SOAK, "soak")
    rng = np.random.default_rng(0)
    steps = np.arange(1000, 2000, 20.0)
    found = np.array(
        [
            soak.slope(steps, 500 + 0.02 * steps + rng.normal(0, 1, len(steps)), rng)
            for _ in range(100)
        ]
    )
    value, low, high = found.T
    assert value.mean() == pytest.approx(20, abs=0.2)
    assert 0.8 < ((low < 20) & (high > 20)).mean() <= 1
    assert 1 < (high - low).mean() < 3
    assert soak.slope(steps, 3 * steps, rng) == pytest.approx((3000, 3000, 3000))


def test_what_a_step_needs_for_a_moment_is_no_growth(load):
    soak = load(SOAK, "soak")
    steps = np.arange(1000, 2000, 5.0)
    of_a_moment = np.random.default_rng(0).choice([0, 10, 40], size=len(steps))
    times, least = soak.floors(steps, 500 + 0.002 * steps + of_a_moment)
    assert len(times) == 10 and np.all(np.diff(times) > 0)
    assert least == pytest.approx(500 + 0.002 * times)


def test_looks_at_a_process_that_lives(load):
    watching = load(SOAK, "watching")
    one = watching.look(os.getpid(), "no mark", step=20, began=0.0)
    assert one.main_mb >= one.main_own_mb > 10
    assert one.files > 2 and one.num_workers == 0


def test_soaks_numbers_and_table(tmp_path, load):
    soak = load(SOAK, "soak")
    looks = [
        soak.Look(
            step=step,
            time_s=float(step),
            main_mb=600.0,
            main_own_mb=500.0 + step / 100,
            workers_mb=100.0,
            files=20,
            worker_files=30,
            num_workers=2,
        )
        for step in range(20, 2001, 20)
    ]
    lines = [{"step": step, "time_s": step + max(0, step - 1800)} for step in range(1, 2001)]
    starts = {"help_s": [0.2, 0.1, 0.3], "first_s": 9.0, "encoder_steps": 1000}
    stamp = {"commit": "0123456789abcdef", "is_dirty": False, "machine": "m", "date": "2026-01-02"}
    rows = soak.measured(looks, lines, starts, stamp)
    found = {row.metric: row.value for row in rows}
    assert found["soak/mb_per_1000_steps"] == found["soak/command_mb_per_1000_steps"]
    assert found["soak/command_mb_per_1000_steps"] == pytest.approx(10)
    assert found["soak/worker_mb_per_1000_steps"] == pytest.approx(0, abs=1e-6)
    assert found["soak/files_per_1000_steps"] == pytest.approx(0, abs=1e-6)
    assert found["soak/throughput_ratio"] == pytest.approx(0.5)
    assert found["startup/help_s"] == 0.2 and found["startup/first_step_s"] == 9.0
    soak.draw(looks, 1000, tmp_path / "soak.png")
    text = soak.table(rows, looks, stamp)
    assert "| `startup/help_s` | 0.20 | — | s |" in text
    assert "| 2000 | 600 | 520 | 100 | 20 | 30 |" in text
