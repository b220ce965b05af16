"""`vasa evaluate protocol=disentanglement` and its report, with untrained networks."""

import json

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from data_prep.synth.build import build_set
from vasa.cli import main
from vasa.cli.paths import conf_dir
from vasa.models.checkpoint import save_model
from vasa.training.config import build

WANTED = {
    *(f"disentanglement/{name}" for name in ("pose_error_deg", "mouth_correlation")),
    *("disentanglement/gaze_correlation", "disentanglement/leakage/yaw_mouth"),
    *("disentanglement/leakage/gaze_yaw", "disentanglement/leakage/identity_identity"),
    *("probe/z_dyn/yaw_r2", "probe/z_dyn/yaw_mlp_r2", "probe/z_dyn/identity_accuracy"),
    *("probe/z_pose/mouth_opening_r2", "probe/z_id/identity_accuracy"),
}


def save_untrained(node, folder) -> None:
    config = OmegaConf.to_container(node, resolve=True)
    save_model(build(node), config, folder / "model")
    (folder / "config.yaml").write_text(yaml.safe_dump({"model": config}))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> dict:
    root = tmp_path_factory.mktemp("disentanglement")
    build_set(
        output=root / "data",
        size=32,
        people={"train": 3, "val": 1, "test": 2},
        clips_per_person=1,
        seconds=0.8,
        seed=0,
        format="shards",
        workers=1,
    )
    with initialize_config_dir(version_base="1.3", config_dir=conf_dir()):
        face = compose(overrides=["+model@_global_=face_tiny"])
        expert = compose(config_name="train", overrides=["experiment=expert/metric"]).module.model
    save_untrained(face, root / "stage1")
    save_untrained(expert, root / "expert")
    return {"data": root / "data", "stage1": root / "stage1", "expert": root / "expert"}


def test_the_command_writes_rows_pictures_and_a_report(inputs, tmp_path, capsys):
    words = ["evaluate", "protocol=disentanglement", f"output={tmp_path}/results.jsonl"]
    words += [f"{role}={path}" for role, path in inputs.items()]
    words += ["evaluation.counterfactual_people=2", "evaluation.counterfactual_states=3"]
    words += ["evaluation.counterfactual_bases=1", "evaluation.probe_mlp_steps=1"]
    words += ["evaluation.num_resamples=10", "evaluation.probe_frame_stride=10"]
    assert main(words) == 0
    rows = {}
    for line in (tmp_path / "results.jsonl").read_text().splitlines():
        row = json.loads(line)
        rows[row["metric"]] = row
    assert set(rows) >= WANTED
    for name in WANTED:
        assert rows[name]["control_name"] and rows[name]["experts"] is not None
    assert rows["disentanglement/pose_error_deg"]["criteria"]
    assert rows["probe/z_dyn/identity_accuracy"]["control"] == 0.5
    for name in ("6_leakage.png", "7_counterfactuals.png"):
        assert (tmp_path / "eval" / "sheets" / name).is_file()
    assert "leakage/yaw_mouth" not in capsys.readouterr().out
    report = ["report", f"results={tmp_path}/results.jsonl", f"output={tmp_path}/report.html"]
    assert main(report) == 0
    markdown = (tmp_path / "report.md").read_text()
    assert "![Leakage matrices](eval/sheets/6_leakage.png)" in markdown
    assert "### disentanglement/leakage: " in markdown
    page = (tmp_path / "report.html").read_text()
    assert "disentanglement/leakage_dynamics" in page and 'alt="6_leakage"' in page


def test_clips_without_changeable_factors_are_refused(inputs, tmp_path, capsys):
    (config,) = inputs["data"].glob("config.json")
    kept = config.read_text()
    config.unlink()
    words = ["evaluate", "protocol=disentanglement", f"output={tmp_path}/results.jsonl"]
    try:
        code = main([*words, *(f"{role}={path}" for role, path in inputs.items())])
    finally:
        config.write_text(kept)
    assert code == 2
    assert "vasa synth" in capsys.readouterr().err
