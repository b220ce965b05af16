"""Micro data and untrained networks through `vasa evaluate` and `vasa report`, end to end."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from vasa.data.schema import FaceClip, FaceLabels
from vasa.data.shards import FaceShardWriter
from vasa.evaluation import runner, workbench
from vasa.evaluation.coding import read_coded
from vasa.evaluation.report.page import write_report
from vasa.evaluation.results import read_rows
from vasa.evaluation.settings import EvaluationInputs, EvaluationSettings
from vasa.models.checkpoint import model_hash, save_model
from vasa.training.config import build
from vasa.types import InputError

CONF = Path(__file__).resolve().parents[2] / "conf"
SIZE, NUM_FRAMES = 64, 25
REQUIRED = {
    "self_reenactment/psnr",
    "self_reenactment/psnr_mouth",
    "self_reenactment/ssim",
    "cross_reenactment/pose_error",
    "cross_reenactment/mouth_correlation",
    "cross_reenactment/identity_similarity",
    "generated/mouth_correlation",
    "generated/pose_variation_ratio",
    "generated/blink_rate",
    "generated/gaze_error_deg",
    "generated/sync_ratio",
    "sync/real_offset_accuracy",
    "sync/generated_confidence",
    "sync/real_confidence",
    "sync/generated_distance",
    "sync/real_distance",
    *(
        f"probe/z_dyn/{factor}_r2"
        for factor in ("mouth_opening", "blink", "gaze", "yaw", "pitch", "identity")
    ),
}
FIELDS = {
    *("metric", "value", "control", "control_name", "split", "n", "unit", "higher_is_better"),
    *("ci_low", "ci_high", "experts", "note", "command", "commit", "seed", "machine", "date"),
}


def micro_clip(speaker: int, number: int, split: str) -> FaceClip:
    rng = np.random.default_rng(100 * speaker + number)
    waves = np.cumsum(rng.normal(size=(NUM_FRAMES, 16)), axis=0) * 0.05
    frames = np.full((NUM_FRAMES, SIZE, SIZE, 3), 60 + 15 * (speaker % 10), np.uint8)
    for index, row in enumerate(frames):
        middle = int(np.clip(32 + 60 * waves[index, 0], 8, 56))
        row[20:50, middle - 6 : middle + 6] = 200
    landmarks = np.tile(rng.uniform(20, 44, size=(68, 2)), (NUM_FRAMES, 1, 1)).astype(np.float32)
    labels = FaceLabels(
        landmarks=landmarks,
        pose=waves[:, :6].astype(np.float32),
        gaze=waves[:, 6:8].astype(np.float32),
        blink=np.abs(waves[:, 8]).astype(np.float32),
        emotion=np.full((NUM_FRAMES, 8), 1 / 8, np.float32),
        quality=np.ones(NUM_FRAMES, np.float32),
        valid=np.ones(NUM_FRAMES, bool),
        mouth=np.abs(waves[:, 9:11]).astype(np.float32),
    )
    return FaceClip(
        key=f"p{speaker}/v/{number}",
        speaker=f"p{speaker}",
        split=split,
        source="micro",
        licence="CC0-1.0",
        frames=frames,
        audio=(rng.normal(size=640 * NUM_FRAMES) * 0.1).astype(np.float32),
        labels=labels,
        extra={"sentence_id": 10 * speaker + number},
    )


def experiment_model(name: str) -> dict:
    """The network of an experiment: `_target_` and arguments."""
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        config = compose(config_name="train", overrides=[f"experiment={name}"])
    return OmegaConf.to_container(config.module.model, resolve=True)


def save_run(folder: Path, net: torch.nn.Module, config: dict, stage: str) -> None:
    save_model(net, config, folder / "model")
    (folder / "config.yaml").write_text(yaml.safe_dump({"stage": stage, "name": "tiny", "seed": 3}))
    environment = {
        "command": ["vasa", "train", f"experiment={stage}/tiny", "name=<b>"],
        "commit": "0123456789abcdef",
        "is_dirty": True,
        "processor": "a processor",
        "cpu_count": 2,
        "device": "cpu",
        "starts": ["a", "b"],
        "started_at": "2026-01-01T00:00:00Z",
    }
    (folder / "env.json").write_text(json.dumps(environment))
    lines = [
        {"step": step, "time_s": step * 2.0, "train/loss": 10.0 / (1 + step), "train/lr": 1e-4}
        for step in range(0, 100, 10)
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines) + '{"step": 100, "time'
    (folder / "metrics.jsonl").write_text(text)
    (folder / "done.json").write_text(json.dumps({"step": 100, "time_s": 200.0}))


@pytest.fixture(scope="module")
def micro(tmp_path_factory) -> SimpleNamespace:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("evaluate")
    with FaceShardWriter(root / "data", clips_per_shard=10, prep_version="test") as writer:
        for speaker, split in enumerate(["train"] * 4 + ["val"] * 2 + ["test"] * 3):
            writer.write(micro_clip(speaker, 0, split))
    networks = {"stage1": "stage1/tiny", "expert": "expert/loss", "syncnet": "syncnet/tiny"}
    for role, name in networks.items():
        config = experiment_model(name)
        save_run(root / role, build(OmegaConf.create(config)), config, role)
    motion = experiment_model("stage2/tiny") | {"width": 16, "num_layers": 1, "num_heads": 2}
    mover = build(OmegaConf.create(motion))
    mover.stage1_digest.copy_(torch.tensor(list(bytes.fromhex(model_hash(root / "stage1")))))
    save_run(root / "stage2", mover, motion, "stage2")
    settings = yaml.safe_load((CONF / "evaluation" / "synth.yaml").read_text())
    settings |= {
        "num_clips": 3,
        "frame_stride": 6,
        "probe_train_clips": 4,
        "probe_val_clips": 2,
        "num_resamples": 20,
        "num_sheet_rows": 2,
        "num_videos": 1,
        "sync_shift_frames": 2,
    }
    return SimpleNamespace(
        root=root,
        output=root / "out" / "results.jsonl",
        settings=settings,
        inputs=EvaluationInputs(
            data=root / "data",
            stage1=root / "stage1",
            stage2=root / "stage2",
            syncnet=root / "syncnet",
            expert=root / "expert",
        ),
    )


def moving_source(image: torch.Tensor, audio: torch.Tensor, seed: int) -> torch.Tensor:
    """A talker without a network: the source picture, brighter where the audio is louder."""
    frames = len(audio) // 640
    level = audio[: frames * 640].reshape(frames, 640).abs().mean(dim=1)
    bright = image[None] * (0.5 + level / level.max() / 2)[:, None, None, None]
    return (bright * 255).byte()


@pytest.fixture
def talking(monkeypatch) -> list[int]:
    """Replaces generation; counts the clips that were generated."""
    calls: list[int] = []

    def talk(image, audio, seed):
        calls.append(seed)
        return moving_source(image, audio, seed)

    monkeypatch.setattr(workbench.Workbench, "talker", staticmethod(talk))
    return calls


def evaluate(micro, output: Path | None = None, **changes):
    return runner.evaluate(
        settings=EvaluationSettings.from_config(micro.settings | changes),
        inputs=micro.inputs,
        output=output or micro.output,
        seed=0,
        device=torch.device("cpu"),
        environment={
            "command": "vasa evaluate <x>",
            "commit": "abc",
            "is_dirty": False,
            "machine": "test",
        },
    )


def test_killed_evaluation_continues_and_complete_one_is_not_repeated(
    micro, talking, monkeypatch, capsys
) -> None:
    def killed(bench):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setitem(runner.PROTOCOLS, "sync", killed)
        evaluate(micro)
    assert not micro.output.exists()
    assert len(talking) == 3
    capsys.readouterr()

    rows = evaluate(micro)
    told = capsys.readouterr().out
    assert told.count("done before") == len(micro.settings["protocols"]) - 1
    assert len(talking) == 3, "generated videos were made again"
    lines = [json.loads(line) for line in micro.output.read_text().splitlines()]
    assert {line["metric"] for line in lines} >= REQUIRED
    assert len(lines) == len(rows)
    for line in lines:
        assert set(line) >= FIELDS, line["metric"]
        assert isinstance(line["value"], float) and line["n"] >= 2
        assert line["split"] == "test"
    by_name = {line["metric"]: line for line in lines}
    psnr = by_name["self_reenactment/psnr"]
    assert psnr["experts"][0]["name"] == "FaceExpert" and len(psnr["experts"][0]["hash"]) == 64
    criterion = psnr["criteria"][0]
    assert criterion["passed"] == (psnr["value"] - psnr["control"] >= criterion["bound"])

    before = micro.output.stat().st_mtime_ns
    assert len(evaluate(micro)) == len(rows)
    assert "complete" in capsys.readouterr().out
    assert micro.output.stat().st_mtime_ns == before


def test_another_configuration_is_evaluated_anew(micro, talking, tmp_path) -> None:
    output = tmp_path / "results.jsonl"
    first = evaluate(micro, output, protocols=["instrument"])
    second = evaluate(micro, output, protocols=["instrument"], num_resamples=30)
    assert first[0].stamp["identity"] != second[0].stamp["identity"]
    assert len(list((tmp_path / "eval" / "parts").iterdir())) == 1


def test_videos_come_from_the_generator(micro, tmp_path) -> None:
    generation = micro.settings["generation"] | {"steps": 2}
    rows = evaluate(
        micro, tmp_path / "results.jsonl", protocols=["generated"], generation=generation
    )
    assert {row.metric for row in rows} >= {"generated/mouth_correlation", "generated/face_found"}
    assert rows[0].stamp["models"]["stage2"] == model_hash(micro.inputs.stage2)[:8]
    kept = sorted((tmp_path / "eval" / "parts" / "shared" / "methods").glob("ours-*/*.mp4"))
    assert len(kept) == 3
    assert read_coded(kept[0]).shape == (NUM_FRAMES, 3, SIZE, SIZE)


def test_controls_and_diversity_from_generator_to_report(micro, tmp_path, capsys) -> None:
    output = tmp_path / "results.jsonl"
    changes = {
        "protocols": ["controls", "diversity"],
        "generation": micro.settings["generation"] | {"steps": 2},
        "controls": {
            "num_clips": 2,
            "gaze_theta": [-0.2, 0.2],
            "gaze_phi": [],
            "distance": [0.9, 1.1],
            "emotions": ["neutral", "happy"],
            "emotion_weight": 0.8,
            "guidance": [1.0, 0.0],
        },
        "diversity": {"num_clips": 2, "num_samples": 2},
        "criteria": [],
    }
    rows = evaluate(micro, output, **changes)
    names = {row.metric for row in rows}
    assert names >= {
        *("control/gaze_correlation", "control/distance_correlation"),
        *("control/emotion_correlation", "control/gaze_error_deg", "control/distance_error"),
        *("control/gaze_correlation_lambda_0", "control/expert_gaze_error_deg"),
        *("control/expert_emotion_correlation", "control/asked/distance_lambda_0/1.1"),
        *("diversity/lips_share", "diversity/head_share", "diversity/brows_share"),
    }
    assert not [name for name in names if "gaze_phi" in name and "expert" not in name]
    assert {row.stamp["protocol"] for row in rows} == {"controls", "diversity"}
    assert all(row.stamp["experts"][0]["name"] == "FaceExpert" for row in rows)
    write_report(runs=[], results=output, output=tmp_path / "report.html")
    page, text = (tmp_path / "report.html").read_text(), (tmp_path / "report.md").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "Controls, value by value" in page and "## Controls, value by value" in text
    assert "10_controls" in page and page.index("12_diversity") > page.index("10_controls")

    (tmp_path / "eval" / "done.json").unlink()
    (parts,) = (
        folder for folder in (tmp_path / "eval" / "parts").iterdir() if folder.name != "shared"
    )
    for name in ("controls", "diversity"):
        (parts / f"{name}.jsonl").unlink()
        assert sorted((parts / name).glob("*.npz")), "what the frames showed is kept"
    stamps = {path: path.stat().st_mtime_ns for path in parts.rglob("*.npz")}
    again = evaluate(micro, output, **changes)
    assert [row.value for row in again] == pytest.approx([row.value for row in rows], nan_ok=True)
    assert {path: path.stat().st_mtime_ns for path in parts.rglob("*.npz")} == stamps
    capsys.readouterr()
    with pytest.raises(InputError, match="num_samples"):
        evaluate(micro, output, **changes | {"diversity": {"num_clips": 2, "num_samples": 3}})
    for name, value, wrong in (
        ("controls", {"distance": [1.0]}, "two different values"),
        ("controls", {"emotions": ["happy", "hungry"]}, "hungry"),
        ("controls", {"guidance": []}, "lambdas"),
        ("diversity", {"num_samples": 1}, "at least 2"),
    ):
        with pytest.raises(InputError, match=wrong):
            EvaluationSettings.from_config(micro.settings | changes | {name: changes[name] | value})


def test_report_is_one_page_with_every_row(micro, talking) -> None:
    rows = evaluate(micro)
    output = micro.root / "out" / "report.html"
    markdown = write_report(
        runs=[micro.root / "stage1", micro.root / "syncnet"], results=micro.output, output=output
    )
    page, text = output.read_text(), markdown.read_text()
    for row in rows:
        assert f"<code>{row.metric}</code>" in page
        assert f"`{row.metric}`" in text
    assert page.count("<svg") == 2, "a figure of curves for each run"
    assert page.count("data:video/mp4;base64,") == 1
    assert page.count("data:image/png;base64,") == 8
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page), "an external resource"
    assert "<script" not in page
    assert "name=&lt;b&gt;" in page, "user's text is escaped"
    for fact in ("0123456789ab+changes", "stage1/tiny", "100", "a processor", "2 starts"):
        assert fact in page
    assert "stage1/tiny" in text and "criteria met" in text


def test_rows_survive_the_file(micro, talking) -> None:
    rows = evaluate(micro)
    again = read_rows(micro.output)
    assert [row.metric for row in again] == [row.metric for row in rows]
    assert again[0].value == rows[0].value


def test_users_mistakes_are_named(micro, tmp_path) -> None:
    with pytest.raises(InputError, match="no protocol 'selfreenactment'"):
        evaluate(micro, protocols=["selfreenactment"])
    with pytest.raises(InputError, match="num_clip"):
        EvaluationSettings.from_config(micro.settings | {"num_clip": 3})
    with pytest.raises(InputError, match="rule"):
        EvaluationSettings.from_config(
            micro.settings | {"criteria": [{"metric": "x", "rule": "above", "bound": 1.0}]}
        )
    missing = EvaluationInputs(
        data=micro.root / "data",
        stage1=micro.root / "stage1",
        stage2=None,
        syncnet=None,
        expert=None,
    )
    with pytest.raises(InputError, match="stage2=RUN"):
        runner.evaluate(
            settings=EvaluationSettings.from_config(micro.settings),
            inputs=missing,
            output=tmp_path / "results.jsonl",
            seed=0,
            device=torch.device("cpu"),
            environment={},
        )
    swapped = replace(micro.inputs, stage1=micro.inputs.expert)
    with pytest.raises(InputError, match="stage-1 run at .* holds a FaceExpert"):
        evaluate(SimpleNamespace(**vars(micro) | {"inputs": swapped}), tmp_path / "results.jsonl")
    with pytest.raises(InputError, match="run `vasa evaluate`"):
        write_report(runs=[], results=tmp_path / "no.jsonl", output=tmp_path / "report.html")
    with pytest.raises(InputError, match="run folder"):
        write_report(runs=[tmp_path], results=micro.output, output=tmp_path / "report.html")
