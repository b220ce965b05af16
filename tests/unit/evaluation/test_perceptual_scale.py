"""Networks that score: chosen by name, never replaced, and which of them losses have seen."""

import re
from pathlib import Path

import pytest
import torch
import yaml

from vasa.evaluation.settings import EvaluationInputs, EvaluationSettings
from vasa.evaluation.workbench import Workbench
from vasa.models.checkpoint import model_hash, save_model
from vasa.types import InputError

CONF = Path(__file__).parents[3] / "conf" / "evaluation"


def settings(**changes) -> EvaluationSettings:
    config = yaml.safe_load((CONF / "synth.yaml").read_text())
    return EvaluationSettings.from_config(config | changes)


def bench(stage1: Path, **changes) -> Workbench:
    inputs = EvaluationInputs(data=stage1, stage1=stage1, stage2=None, syncnet=None, expert=None)
    return Workbench(
        settings=settings(**changes),
        inputs=inputs,
        seed=0,
        cache=stage1,
        track=lambda items: items,
        pretrained=None,
        device=torch.device("cpu"),
    )


@pytest.fixture
def no_weights(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("VASA_WEIGHTS", str(tmp_path / "empty"))
    monkeypatch.setenv("HOME", str(tmp_path))


def test_the_synthetic_evaluation_needs_no_weights(no_weights, tmp_path) -> None:
    assert bench(tmp_path).perceptual is None
    assert bench(tmp_path).describe_perceptual() == []


@pytest.mark.parametrize("name", ["squeezenet", "vgg19", "lpips_vgg", "lpips_alex"])
def test_missing_weights_raise_and_say_how_to_go_on(no_weights, tmp_path, name) -> None:
    with pytest.raises(InputError, match=r"VASA_WEIGHTS.*evaluation\.perceptual=none"):
        bench(tmp_path, perceptual=name).describe_perceptual()
    others = bench(tmp_path, perceptual=name, protocols=["swaps"])
    assert others.describe_perceptual() == []


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(InputError, match="lpips"):
        settings(perceptual="lpips")


@pytest.mark.parametrize(
    ("config", "is_in_loss"),
    [
        ("module: {perceptual: squeezenet}", True),
        ("module: {perceptual: face_expert}", False),
        ("seed: 0", False),
        (None, False),
    ],
)
def test_the_network_of_the_training_loss_is_recognised(
    weights_dir, monkeypatch, tmp_path, config, is_in_loss
) -> None:
    monkeypatch.setenv("VASA_WEIGHTS", str(weights_dir))
    if config is not None:
        (tmp_path / "config.yaml").write_text(config)
    found = bench(tmp_path, perceptual="squeezenet")
    assert found.perceptual is not None
    assert found.perceptual.is_in_loss is is_in_loss
    assert found.describe_perceptual()[0]["name"] == "squeezenet_features"
    taps = found.perceptual(torch.rand(2, 3, 32, 32))
    assert len(taps) == 7 and all(len(tap) == 2 for tap in taps)


def test_rows_can_say_what_the_losses_looked_through(tmp_path) -> None:
    nothing = {"perceptual": None, "face_expert": None, "face_expert_hash": None}
    assert bench(tmp_path).describe_losses() == nothing
    expert = tmp_path / "expert_loss"
    text = f"module: {{perceptual: squeezenet, expert: {expert}}}"
    (tmp_path / "config.yaml").write_text(text)
    known = {"perceptual": "squeezenet", "face_expert": "expert_loss"}
    assert bench(tmp_path).describe_losses() == known | {"face_expert_hash": None}
    save_model(torch.nn.Identity(), {"_target_": "vasa.nothing"}, expert / "model")
    digest = model_hash(expert)[:8]
    assert bench(tmp_path).describe_losses() == known | {"face_expert_hash": digest}


def test_no_loss_can_see_the_identity_that_real_clips_are_scored_with() -> None:
    from vasa.pretrained.identity import DlibIdentity
    from vasa.pretrained.measure import FaceMeasure

    root = Path(__file__).parents[3]
    real = yaml.safe_load((CONF / "real.yaml").read_text())
    assert real["instrument"]["_target_"].endswith(FaceMeasure.__name__)
    secret = (FaceMeasure.__name__, DlibIdentity.__name__, DlibIdentity.name)
    sources = [
        path
        for folder in ("vasa/training", "vasa/losses", "conf/experiment", "conf/model")
        for path in (root / folder).rglob("*")
        if path.suffix in (".py", ".yaml")
    ]
    assert len(sources) > 20
    words = re.compile(rf"\b({'|'.join(secret)})\b")
    seen = [str(path) for path in sources if words.search(path.read_text())]
    assert not seen, f"they should know nothing of {secret}"
