"""Tables of experiments from made-up results: our columns, the paper's beside them, verdicts."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLE_5, FIGURE_3 = (ROOT / "experiments" / name for name in ("105-table-5", "106-figure-3"))


def load(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """The table script as a module."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec = importlib.util.spec_from_file_location(folder.name, folder / "table.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(metric: str, values: list[float], *, seed: int = 0, **more) -> dict:
    return {
        "metric": metric,
        "value": sum(values) / len(values),
        "control": 0.25,
        "control_name": "real clips",
        "ci_low": 0.0,
        "ci_high": 1.0,
        "clip_values": values,
        "n": len(values),
        "unit": "r",
        "seed": seed,
        "commit": "0123456789abcdef",
        "is_dirty": False,
        "machine": "a machine",
        "date": "2026-01-02T03:04:05Z",
        "evaluation": "synth",
        "models": {"stage2": "aaaa", "syncnet": "bbbb"},
        **more,
    }


def made_up(out: Path, module, *, gain: float) -> None:
    """Clips that differ much, and gain the same from audio guidance."""
    for audio, gaze, steps in module.PAPER:
        for seed in range(3):
            score = [index + gain * float(audio) + 0.01 * seed for index in range(8)]
            rows = [
                row("sync/generated_confidence", score, seed=seed),
                row("sync/generated_distance", [9 - value for value in score], seed=seed),
                row("generated/pose_change", [0.5] * 8, seed=seed),
                row("generated/gaze_error_deg", [4.0] * 8, seed=seed),
                row("generated/sync_ratio", [1.0], seed=seed),
                row("sync/real_confidence", [3.0], seed=seed),
                row("sync/real_distance", [6.0], seed=seed),
            ]
            folder = out / f"{audio}_{gaze}_{steps}-seed{seed}"
            folder.mkdir(parents=True)
            (folder / "results.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")


@pytest.mark.parametrize(
    ("gain", "said"), [(0.5, "confirmed"), (-0.5, "refuted"), (0.0, "undecided")]
)
def test_table_5(tmp_path, monkeypatch, gain, said):
    module = load(TABLE_5, monkeypatch)
    made_up(tmp_path / "out", module, gain=gain)
    shutil.copy(TABLE_5 / "README.md", tmp_path)
    module.main(tmp_path / "out", tmp_path)
    text = (tmp_path / "README.md").read_text()
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    (setting,) = [line for line in lines if line[:3] == ["2.0", "1.0", "50"]]
    assert setting[3].startswith(f"{3.51 + 2 * gain:.3f} (")
    assert setting[5] == setting[7] == "—", "what is not measured is not made up"
    assert setting[9] == "—", "distance error was not in these results"
    assert setting[10:] == ["*8.295*", "*6.397*", "*0.455*", "*0.395*", "*104.293*", "*5.531*",
                            "*0.005*"]  # fmt: skip
    trends = [line for line in lines if len(line) == 5 and line[0] in ("0.5", "1.0", "2.0")]
    assert [line[3].split()[0] for line in trends] == [said] * 3
    assert trends[2][1] == f"{2 * gain:+.3f}" and trends[2][4] == "*+1.161*"
    assert "different measurements" in text
    records = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert len(records) == 7 * 3 * 5
    assert {record["lambda_audio"] for record in records} == {0.0, 0.5, 1.0, 2.0}


def test_table_5_needs_every_setting(tmp_path, monkeypatch):
    module = load(TABLE_5, monkeypatch)
    made_up(tmp_path, module, gain=0.1)
    shutil.rmtree(tmp_path / "0.5_1.0_10-seed2")
    with pytest.raises(SystemExit, match="as many seeds"):
        module.read_runs(tmp_path)
    for seed in (0, 1):
        shutil.rmtree(tmp_path / f"0.5_1.0_10-seed{seed}")
    with pytest.raises(SystemExit, match=r"0\.5_1\.0_10"):
        module.read_runs(tmp_path)


def test_a_trend_within_clips_shows_through_their_differences(tmp_path, monkeypatch):
    module = load(TABLE_5, monkeypatch)
    made_up(tmp_path, module, gain=0.01)
    runs = module.read_runs(tmp_path)
    value, low, high = module.trend(runs, ("1.0", "1.0", "50"))
    assert (value, low, high) == pytest.approx((0.01, 0.01, 0.01))
    _, low, high = module.interval(module.clip_means(runs[("1.0", "1.0", "50")], module.CONFIDENCE))
    assert high - low > 2


def test_table_5_asks_for_the_papers_settings(monkeypatch):
    module = load(TABLE_5, monkeypatch)
    script = (TABLE_5 / "run.sh").read_text()
    asked = script.split("<<'SETTINGS'\n")[1].split("SETTINGS")[0]
    assert [tuple(line.split()) for line in asked.splitlines()] == list(module.PAPER)


def test_figure_3(tmp_path, monkeypatch):
    module = load(FIGURE_3, monkeypatch)
    sheets = tmp_path / "out" / "eval" / "sheets"
    sheets.mkdir(parents=True)
    for name in module.PICTURES:
        (sheets / name).write_bytes(b"picture")
    rows = [
        row("control/gaze_correlation", [0.75]),
        row("control/distance_error", [0.5], ci_low=None),
        row("control/asked/gaze_theta_lambda_1/0.4", [0.3]),
    ]
    (tmp_path / "out" / "results.jsonl").write_text("\n".join(map(json.dumps, rows)))
    shutil.copy(FIGURE_3 / "README.md", tmp_path)
    module.main(tmp_path / "out", tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert "| `control/gaze_correlation` | 0.750 | 0.000 … 1.000 | 0.250 |" in text
    assert "— … 1.000" in text
    assert "control/asked" not in text
    assert all((tmp_path / name).is_file() and name in text for name in module.PICTURES.values())
    with pytest.raises(SystemExit, match="run run.sh"):
        module.main(tmp_path / "nowhere", tmp_path)


@pytest.mark.parametrize("folder", [TABLE_5, FIGURE_3])
def test_scripts_are_bash_and_name_existing_settings(folder):
    script = folder / "run.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert "vasa evaluate" in script.read_text()
