"""Experiment 103's tables from made-up results: ours, clip by clip, and the paper's beside them."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "103-tables-3-4"
BASE = [0.2, 0.9, 0.5, 0.7, 0.3, 0.8]


@pytest.fixture
def module(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec = importlib.util.spec_from_file_location("table_103", FOLDER / "table.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(name: str, kind: str, lost: float) -> dict:
    values = [value - lost for value in BASE]
    return {
        "metric": f"capp/{kind}_{name}",
        "value": sum(values) / len(values),
        "ci_low": 0.1,
        "ci_high": 0.9,
        "control": 0.01,
        "control_name": "shuffled audio",
        "split": "test",
        "unit": "CAPP(own)",
        "control_ci_low": 0.0,
        "control_ci_high": 0.02,
        "clip_values": values,
        "n": len(values),
        "seed": 0,
        "commit": None,
        "is_dirty": True,
        "machine": "a machine",
        "date": "2026-01-02T03:04:05Z",
        "models": {"capp": "aaaa"},
    }


def made_up(out: Path, folder: str, kind: str, *, falls: float, at_half: float) -> None:
    rows = [row(f"shift_{k}", kind, falls * k) for k in (0, 1, 2, 3, 4)]
    rows += [row("scale_0.5", kind, at_half), row("scale_1", kind, 0), row("scale_3", kind, 0.1)]
    rows.append(row("random_weights", kind, 0.5))
    (out / folder).mkdir(parents=True)
    (out / folder / "results.jsonl").write_text("\n".join(map(json.dumps, rows)))


def written(module, out: Path, folder: Path) -> str:
    shutil.copy(FOLDER / "README.md", folder)
    module.main(out, folder)
    return (folder / "README.md").read_text()


def test_tables(module, tmp_path):
    made_up(tmp_path / "out", "synth", "synthetic", falls=0.05, at_half=0.2)
    made_up(tmp_path / "out", "real", "real", falls=-0.01, at_half=-0.1)
    text = written(module, tmp_path / "out", tmp_path)
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    (shift,) = [line for line in lines if line and line[0] == "2"]
    assert shift[1].startswith(f"{sum(BASE) / 6 - 0.1:.3f} (0.100")
    assert shift[2] == "-0.100 (-0.100 … -0.100)", "clips that differ cancel"
    assert shift[4] == "+0.020 (+0.020 … +0.020)"
    assert shift[5] == "*0.206*"
    (scale,) = [line for line in lines if line and line[0] == "1.5"]
    assert scale == ["1.5", "—", "—", "—", "—", "*0.587*"], "what is not measured is not made up"
    assert "0 to 2 falls (-0.100" in text and "2 to 4 rises (+0.020" in text
    assert "Highest at scale 1 of 0.5, 1, 3" in text and "Highest at scale 0.5 of" in text
    assert (tmp_path / "capp.png").stat().st_size > 1000 and "](capp.png)" in text
    records = (tmp_path / "results.jsonl").read_text().splitlines()
    assert len(records) == 2 * 9


def test_a_fall_that_chance_explains_is_undecided(module, tmp_path):
    made_up(tmp_path / "out", "synth", "synthetic", falls=0.0, at_half=0.2)
    assert "0 to 2 undecided" in written(module, tmp_path / "out", tmp_path)
    with pytest.raises(SystemExit, match="run run.sh"):
        module.main(tmp_path / "nowhere", tmp_path)


def test_script_is_bash_and_names_existing_settings():
    script = FOLDER / "run.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    text = script.read_text()
    assert "protocol=capp" in text
    root = FOLDER.parents[1] / "conf"
    for name in ("capp/tiny", "capp/tiny_real"):
        assert name in text and (root / "experiment" / f"{name}.yaml").is_file()
