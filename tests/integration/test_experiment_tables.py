"""Tables of experiments from made-up results: our columns, the paper's beside them, verdicts."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from vasa.evaluation.lists import read_list
from vasa.evaluation.report.guidance_table import CONFIDENCE, guidance_scores, trend
from vasa.evaluation.report.samples import estimate

ROOT = Path(__file__).resolve().parents[2]
TABLE_5, FIGURE_3 = (ROOT / "experiments" / name for name in ("105-table-5", "106-figure-3"))


def load(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = "table.py"):
    """The table script as a module."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec = importlib.util.spec_from_file_location(folder.name, folder / name)
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
        "split": "test",
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
    for audio, gaze, steps in map(str.split, module.SETTINGS):
        for seed in range(3):
            score = [index + gain * float(audio) + 0.01 * seed for index in range(8)]
            rows = [
                row("sync/generated_confidence", score, seed=seed),
                row("sync/generated_distance", [9 - value for value in score], seed=seed),
                row("generated/pose_change", [0.5] * 8, seed=seed),
                row("generated/frechet_motion", [7.0 + seed], clip_values=[], seed=seed),
                row("capp/generated", [0.5] * 8, seed=seed, models={"capp": "cccc"}),
                row("capp/synthetic_remeasured", [0.625] * 8, models={"capp": "cccc"}),
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
    (tmp_path / "README.md").write_text(
        "<!-- table -->\n<!-- /table -->\n<!-- real -->\n<!-- /real -->\n"
    )
    module.main(tmp_path / "out", tmp_path, "synth")
    text, real = (tmp_path / "README.md").read_text().split("<!-- real -->")
    assert "|" not in real
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    (setting,) = [line for line in lines if line[:3] == ["2.0", "1.0", "50"]]
    (header,) = [line for line in lines if line[:1] == ["lambda_A"] and len(line) > 10]
    cells = dict(zip(header, setting, strict=True))
    assert cells["S_C own:bbbb"].startswith(f"{3.51 + 2 * gain:.3f} (")
    assert cells["dP"].startswith("0.500 (") and cells["S_C paper"] == "*8.295*"
    own, paper = ({name for name in header if name.endswith(" paper") is p} for p in (False, True))
    assert not [name for name in own if name.startswith(("FVD", "E_d"))], "not measured"
    assert cells["CAPP own:cccc"].startswith("0.500 (") and cells["FD-motion"] == "8.000"
    assert "CAPP own:cccc 0.625" in text and "FD-motion 0.250" in text
    assert [cells[name] for name in header[-7:]] == [
        *("*8.295*", "*6.397*", "*0.455*", "*0.395*", "*104.293*", "*5.531*", "*0.005*")
    ]
    assert paper == set(header[-7:])
    trends = [line for line in lines if len(line) == 6 and line[0] in ("0.5", "1.0", "2.0")]
    assert [line[4].split()[0] for line in trends] == [said] * 3
    assert trends[2][1] == f"{2 * gain:+.3f}" and trends[2][5] == "*+1.161*"
    assert "different measurements" in text and "S_C own:bbbb 3.000" in text
    assert (tmp_path / "guidance.png").stat().st_size > 1000
    records = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert len(records) == 7 * 3 * 10
    assert {record["lambda_audio"] for record in records} == {0.0, 0.5, 1.0, 2.0}
    module.main(tmp_path / "out", tmp_path, "real")
    real = (tmp_path / "README.md").read_text().split("<!-- real -->")[1]
    assert text.split("guidance.png")[0].split("<!-- table -->")[1] in real
    assert all((tmp_path / f"{name}_real{end}").is_file()
               for name, end in (("results", ".jsonl"), ("guidance", ".png")))  # fmt: skip


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
    (lines,) = [
        lines
        for (metric, _), lines in guidance_scores(module.read_runs(tmp_path)).items()
        if metric == CONFIDENCE
    ]
    found = trend(lines, "1.0 1.0 50")
    assert found is not None
    assert (found.mean, found.ci_low, found.ci_high) == pytest.approx((0.01, 0.01, 0.01))
    apart = estimate(lines["1.0 1.0 50"])
    assert apart.ci_high - apart.ci_low > 2


def test_table_5_asks_for_the_papers_settings(monkeypatch):
    module = load(TABLE_5, monkeypatch)
    script = (TABLE_5 / "run.sh").read_text()
    asked = script.split("<<'SETTINGS'\n")[1].split("SETTINGS")[0]
    assert asked.splitlines() == list(module.SETTINGS)


def test_means_of_experiment_5_say_how_they_were_measured(monkeypatch):
    module = load(ROOT / "experiments" / "005-disentanglement", monkeypatch)
    cells = {("identity", "yaw"): 0.25, ("identity", "gaze"): 0.75, ("yaw", "identity"): 0.125}
    rows = [
        row(f"disentanglement/leakage/{a}_{b}", [value], device="cuda: a GPU", command="vasa ...")
        for (a, b), value in cells.items()
    ]
    found = {one["metric"].rsplit("/", 1)[-1]: one for one in module.identity_means(rows)}
    assert found["leakage_identity_moves"]["value"] == 0.5
    assert found["leakage_moves_identity"]["value"] == 0.125
    for one in found.values():
        assert one["device"] == "cuda: a GPU" and one["command"] == "vasa ..."
        assert one["commit"] and one["models"]["stage2"] == "aaaa" and one["n"] == 1


def test_leakage_and_probes_of_experiment_5(tmp_path, monkeypatch):
    module = load(ROOT / "experiments" / "005-disentanglement", monkeypatch)
    cells = {("yaw", "yaw"): 0.0, ("yaw", "mouth"): 0.125, ("mouth", "yaw"): 0.25}
    rows = [row(f"disentanglement/leakage/{a}_{b}", [value]) for (a, b), value in cells.items()]
    results = tmp_path / "results.jsonl"
    results.write_text("\n".join(map(json.dumps, rows)))
    text = module.leakage_tables(results, tmp_path / module.HEAT_MAP)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert lines[0] == "| changed ↓ measured → | yaw | mouth |"
    assert lines[2].startswith("| yaw | 0.00 (") and " | 0.12 (" in lines[2]
    assert lines[3].startswith("| mouth | 0.25 (") and "—" in lines[3]
    assert (tmp_path / module.HEAT_MAP).stat().st_size > 1000

    probed = {
        f"probe/{code}/{factor}_{kind}r2": {"value": 0.5, "control": 0.125}
        for code in module.CODES
        for factor in module.PROBED
        for kind in ("", "mlp_")
    }
    probed["probe/z_pose/mouth_opening_mlp_r2"]["value"] = 0.75
    lines = module.probe_table(probed).splitlines()
    assert len(lines) == 2 + len(module.PROBED)
    assert lines[2].split("|")[5].strip() == "0.75 (0.12)"


def test_figure_3(tmp_path, monkeypatch):
    module = load(FIGURE_3, monkeypatch)
    sheets = tmp_path / "out" / "eval" / "sheets"
    sheets.mkdir(parents=True)
    for name in module.PICTURES["synth"]:
        (sheets / name).write_bytes(b"picture")
    rows = [
        row("control/gaze_correlation", [0.75]),
        row("control/distance_error", [0.5], ci_low=None),
        row("control/asked/gaze_theta_lambda_1/0.4", [0.3]),
    ]
    (tmp_path / "out" / "results.jsonl").write_text("\n".join(map(json.dumps, rows)))
    shutil.copy(FIGURE_3 / "README.md", tmp_path)
    module.main(tmp_path / "out", tmp_path, "synth")
    text = (tmp_path / "README.md").read_text()
    assert "| `control/gaze_correlation` | 0.750 | 0.000 … 1.000 | 0.250 |" in text
    assert "— … 1.000" in text
    assert "control/asked" not in text
    shown = [*module.PICTURES["synth"].values()]
    assert all((tmp_path / name).is_file() and name in text for name in shown)
    for name in shown:
        (tmp_path / name).unlink()
    module.main(tmp_path / "out", tmp_path, "real")
    real = (tmp_path / "README.md").read_text().split("<!-- real -->")[1]
    assert "| `control/gaze_correlation` | 0.750 | 0.000 … 1.000 | 0.250 |" in real
    assert [path.name for path in tmp_path.glob("*.png")] == ["asked_real.png"]
    with pytest.raises(SystemExit, match="run run.sh"):
        module.main(tmp_path / "nowhere", tmp_path, "synth")


@pytest.mark.parametrize("number", [1, 2])
def test_tables_1_and_2(tmp_path, monkeypatch, number):
    def kind(name, *, syncnet, clip_list=None):
        rows = [
            row(f"methods/{method}/sync_confidence", [place + clip for clip in (1.0, 4.0, 2.0)],
                models={"syncnet": syncnet}, higher_is_better=True, clip_list=clip_list)
            for place, method in enumerate(("still", "ours", "real"))
        ]  # fmt: skip
        rows.append(row("reencoding/sync_confidence_change", [0.125] * 3))
        rows.append(row("methods/still/sync_confidence_minus_ours", [-1.0], ci_low=-1, ci_high=-1,
                        models={"syncnet": syncnet}, p_value=0.25))  # fmt: skip
        (tmp_path / "out" / name).mkdir(parents=True)
        file = tmp_path / "out" / name / "results.jsonl"
        file.write_text("\n".join(map(json.dumps, rows)))

    listed = tmp_path / "synth.txt"
    listed.write_text("p0/v/000\n")
    kind("synth", syncnet="aaaa", clip_list={"file": str(listed), "sha256": "0" * 64})
    kind("real", syncnet="bbbb")
    (folder,) = (ROOT / "experiments").glob(f"10{number}-table-{number}")
    shutil.copy(folder / "README.md", tmp_path)
    module = load(ROOT / "experiments", monkeypatch, "method_table.py")
    module.main(number, tmp_path / "out", tmp_path)
    text = (tmp_path / "README.md").read_text()
    synthetic, real = text.split("## Synthetic people")[1].split("## Real people")
    for part, weights, other in ((synthetic, "aaaa", "bbbb"), (real, "bbbb", "aaaa")):
        assert f"S_C own:{weights} ↑" in part and other not in part
        assert "| ours (paper: VASA-1) | 3 | 3.333 (0.000 … 1.000) |" in part
        assert "| still | -1.000 (-1.000 … -1.000), p 0.25 |" in part
        assert "`reencoding/sync_confidence_change`" in part and "**0.125**" in part
    assert ("FVD_25 paper" in text) is (number == 2)
    assert (tmp_path / "clips.txt").read_text() == listed.read_text()
    assert (tmp_path / "table.tex").read_text().count("tabular}") == 2 * 2 * 2
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 10
    with pytest.raises(SystemExit, match="run run.sh"):
        module.main(number, tmp_path / "no", tmp_path)


@pytest.mark.parametrize("number", [1, 2])
def test_scripts_of_tables_1_and_2_score_what_exists(number):
    (folder,) = (ROOT / "experiments").glob(f"10{number}-table-{number}")
    shared = ROOT / "experiments" / "score_methods.sh"
    for script in (folder / "run.sh", shared):
        subprocess.run(["bash", "-n", str(script)], check=True)
    assert "score_methods.sh" in (folder / "run.sh").read_text()
    assert "protocol=methods" in shared.read_text()
    words = ["data=a", "stage1=b", "output=c", "protocol=methods", "evaluation.max_seconds=60"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("evaluate", [*words, "evaluation.methods.folders={sadtalker: videos}"])
    assert config.evaluation.protocols == ["methods"]
    assert config.evaluation.methods.folders == {"sadtalker": "videos"}
    assert "evaluation.methods.folders=" in shared.read_text()


@pytest.mark.parametrize("folder", [TABLE_5, FIGURE_3])
def test_scripts_are_bash_and_name_existing_settings(folder):
    script = folder / "run.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert "vasa evaluate" in script.read_text()


@pytest.mark.parametrize(("folder", "count"), [("101-table-1", 24), ("102-table-2", 8)])
def test_lists_of_synthetic_clips_are_kept_with_the_experiment(folder, count):
    path = ROOT / "experiments" / folder / "clips.txt"
    found = read_list(path)
    assert len(found.keys) == count and found.sha256 in path.read_text()
