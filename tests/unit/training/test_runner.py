"""A run leaves a whole folder, is not made twice, and refuses what does not fit."""

import json
from pathlib import Path

import pytest
import torch
from records import metrics_of, weights_of
from toy import ToyModule, ToyNet, toy_config

from vasa.models.checkpoint import load_model
from vasa.training.config import check_keys
from vasa.training.exhibits import histogram_of
from vasa.training.runner import train
from vasa.types import InputError


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(cfg=toy_config(f"run_dir={tmp_path_factory.mktemp('run') / 'whole'}"))


def test_run_folder_is_complete(whole_run):
    files = {str(path.relative_to(whole_run)) for path in whole_run.rglob("*") if path.is_file()}
    notes = [json.loads(path.read_text()) for path in whole_run.glob("checkpoints/*.json")]
    best = f"{min(notes, key=lambda note: note['score'])['step']:02d}"
    noted = json.loads((whole_run / "env.json").read_text())
    assert files == {
        ".lock",
        noted["packages"],
        *filter(None, [noted["diff"]]),
        "config.yaml",
        "overrides.txt",
        "env.json",
        "metrics.jsonl",
        "checkpoints/last.ckpt",
        *(f"checkpoints/step_00000{step}" for step in ("11.ckpt", "11.json", "12.ckpt", "12.json")),
        *(f"checkpoints/step_00000{best}.{kind}" for kind in ("ckpt", "json")),
        "model/model.safetensors",
        "model/config.json",
        "samples/grey_0000006.png",
        "samples/grey_0000012.png",
        "done.json",
    }
    assert [line["step"] for line in metrics_of(whole_run)] == [5, 10, 12]
    assert {"train/loss", "train/gradient_norm", "train/learning_rate"} < set(
        metrics_of(whole_run)[0]
    )


def test_exported_weights_are_the_average(whole_run):
    checkpoint = torch.load(whole_run / "checkpoints" / "last.ckpt", weights_only=True)
    average = checkpoint["callbacks"]["ModelEma"]["average"]
    net = load_model(whole_run)
    assert isinstance(net, ToyNet)
    assert not net.training
    for name, value in net.state_dict().items():
        assert torch.equal(value, average[name])
        assert not torch.equal(value, checkpoint["state_dict"][f"model.{name}"])


def test_killed_after_the_last_step_only_exports(whole_run, tmp_path):
    run_dir = tmp_path / "run"
    train(cfg=toy_config(f"run_dir={run_dir}"))
    before = weights_of(run_dir)
    for name in ("done.json", "model/model.safetensors"):
        (run_dir / name).unlink()
    train(cfg=toy_config(f"run_dir={run_dir}"))
    after = weights_of(run_dir)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_complete_run_is_not_made_again(whole_run, capsys):
    stamp = (whole_run / "done.json").stat().st_mtime_ns
    train(cfg=toy_config(f"run_dir={whole_run}", "log_every=1"))
    assert "already complete" in capsys.readouterr().err
    assert (whole_run / "done.json").stat().st_mtime_ns == stamp


def test_folder_of_another_configuration_is_refused(whole_run):
    with pytest.raises(InputError, match=r"module\.lr: 0\.01 there, 0\.02 now"):
        train(cfg=toy_config(f"run_dir={whole_run}", "module.lr=0.02"))


def test_loss_that_is_no_number_ends_the_run(tmp_path):
    cfg = toy_config(f"run_dir={tmp_path / 'run'}", "module.nan_from=5", "max_nonfinite_steps=2")
    with pytest.raises(FloatingPointError, match="step 6.*train/loss = nan"):
        train(cfg=cfg)
    checkpoint = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)
    assert all(value.isfinite().all() for value in checkpoint["state_dict"].values())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("max_step=3", "nothing reads.*nearest: max_steps"),
        ("trainer.precison=16", "nothing reads.*nearest: precision"),
        ("module.lrr=1", "no argument of vasa.toy.ToyModule.*nearest: lr"),
        ("module.model.widht=1", "no argument of vasa.toy.ToyNet.*nearest: width"),
        ("module.model._target_=os.system", "expected a class of vasa"),
        ("module.model._target_=vasa.toy.Nothing", "does not exist"),
        ("max_steps=???", "must be given: max_steps"),
    ],
)
def test_misspellings_are_refused(change, expected):
    with pytest.raises(InputError, match=expected):
        check_keys(toy_config(change))


def test_missing_argument_is_refused():
    cfg = toy_config()
    del cfg.module["lr"]
    with pytest.raises(InputError, match="module lacks lr"):
        check_keys(cfg)


def test_key_that_an_experiment_reads_itself_is_accepted():
    check_keys(toy_config("width=8", "module.model.width=${width}"))


def test_a_picture_that_cannot_be_made_ends_no_run(whole_run, tmp_path, monkeypatch, capsys):
    def fail(self: ToyModule) -> dict[str, torch.Tensor]:
        raise ZeroDivisionError("no such picture")

    monkeypatch.setattr(ToyModule, "sample_images", fail)
    run = train(cfg=toy_config(f"run_dir={tmp_path / 'run'}", "sample_every=4"))
    said = capsys.readouterr().err
    assert said.count("images of step 4 failed (ZeroDivisionError: no such picture)") == 1
    assert said.count("ZeroDivisionError") == 1 and "3 samples failed" in said
    assert (run / "samples" / "failed.log").read_text().count("in fail") == 3
    weights = weights_of(whole_run)
    assert all(torch.equal(weights[name], value) for name, value in weights_of(run).items())


def test_histograms_count_finite_values(tmp_path):
    values = torch.tensor([0.0, 1.0, 1.0, 3.0, float("nan"), float("inf")])
    found = histogram_of(values)
    assert sum(found.counts) == 4 and found.num_nonfinite == 2
    assert (found.edges[0], found.edges[-1]) == (0, 3)
    assert (found.mean, found.std) == (1.25, pytest.approx(torch.std(values[:4], correction=0)))
    assert sum(histogram_of(torch.full((3,), float("nan"))).counts) == 0
