"""Stage 1 trains: generator and adversary, kept, continued and overfitted on drawn faces."""

import json

import pytest
import torch
from records import metrics_of
from small_stage1 import ADVERSARY, config, lines_of, names_in, train_small, write_inputs

from vasa.data.audio import read_audio
from vasa.data.face_datamodule import FaceDataModule
from vasa.data.video import decode_mp4
from vasa.types import InputError

OPTIONAL = {"face_features", "gaze_features", "cycle", "warp_size", "warp_roughness"}
REGIONS = {"mouth", "eyes"}
OF_AN_ADVERSARY = {"adversarial", "matching"}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return write_inputs(tmp_path_factory.mktemp("stage1"))


def _all_tensors(value, name: str = "") -> dict[str, torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return {name: value}
    if not isinstance(value, dict | list | tuple):
        return {}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = {}
    for key, item in items:
        found |= _all_tensors(item, f"{name}/{key}")
    return found


def test_killed_and_resumed_is_bit_identical_with_an_adversary(inputs, tmp_path, monkeypatch):
    whole = train_small(inputs, tmp_path / "whole", *ADVERSARY)
    real = FaceDataModule.batch_at

    def dies(self, step):
        if step == 6:
            raise RuntimeError("killed")
        return real(self, step)

    monkeypatch.setattr(FaceDataModule, "batch_at", dies)
    with pytest.raises(RuntimeError, match="killed"):
        train_small(inputs, tmp_path / "cut", *ADVERSARY, "checkpoint_every_s=0")
    monkeypatch.setattr(FaceDataModule, "batch_at", real)
    cut = train_small(inputs, tmp_path / "cut", *ADVERSARY, "checkpoint_every_s=0")
    kept = [
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
        for folder in (whole, cut)
    ]
    expected, found = (
        _all_tensors({key: state[key] for key in ("state_dict", "optimizer_states", "callbacks")})
        for state in kept
    )
    assert expected.keys() == found.keys()
    assert any("discriminator" in name for name in expected)
    assert any(name.startswith("/optimizer_states/1") for name in expected)
    assert any("average" in name for name in expected)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert metrics_of(cut) == metrics_of(whole)


def test_every_loss_is_logged_also_at_weight_0(inputs, tmp_path):
    """But for the discriminator's, which need one."""
    looked_at = OPTIONAL | REGIONS
    lines = lines_of(train_small(inputs, tmp_path / "plain", "module.log_unused_every=4"))
    named = {name for line in lines for name in names_in(line)}
    losses = set(config("stage1/tiny", *inputs).module.weights) - {"_target_"}
    assert losses - named == OF_AN_ADVERSARY
    assert all(looked_at.isdisjoint(names_in(line)) for line in lines[:4])
    assert looked_at <= names_in(lines[4])

    unweighted = [f"module.weights.{name}=0.0" for name in (*OF_AN_ADVERSARY, *REGIONS)]
    few = ["max_steps=5", "module.log_unused_every=4"]
    lines = lines_of(train_small(inputs, tmp_path / "asked", *ADVERSARY, *unweighted, *few))
    assert losses <= {name for line in lines for name in names_in(line)}
    assert all(lines[4][f"train/{name}"] > 0 for name in REGIONS)


def test_looking_at_unused_losses_changes_nothing(inputs, tmp_path):
    runs = [
        train_small(
            inputs, tmp_path / str(every), f"module.log_unused_every={every}", "max_steps=5"
        )
        for every in (1, 1000)
    ]
    first, second = (
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for run in runs
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_drawing_samples_changes_nothing(inputs, tmp_path):
    runs = [
        train_small(inputs, tmp_path / str(every), f"sample_every={every}", "max_steps=4")
        for every in (3, 0)
    ]
    drawn = {path.name for path in (runs[0] / "samples").iterdir()}
    pictures = {name for name in drawn if name.endswith(".png")}
    steps = {name.split("_")[-1] for name in pictures}
    assert steps == {"0000003.png", "0000004.png"}
    assert len(pictures) == 6 * len(steps)
    made = {"reenacted_clip_{}.mp4", "histograms_{}.json"}
    made = {name.format(step) for name in made for step in ("0000003", "0000004")}
    assert drawn - pictures == made
    clip = runs[0] / "samples" / "reenacted_clip_0000003.mp4"
    assert decode_mp4(clip.read_bytes()).shape == (40, 64, 3 * 64, 3)  # of a clip of 40 frames
    assert len(read_audio(clip)) >= 40 * 640
    counted = json.loads((runs[0] / "samples" / "histograms_0000003.json").read_text())
    assert {name: sum(one["counts"]) for name, one in counted.items()} == {
        name: 6 * 2 * dim for name, dim in (("z_pose", 6), ("z_dyn", 32), ("z_id", 64))
    }
    first, second = (
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for run in runs
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_adversary_starts_when_told_and_every_term_reaches_the_generator(inputs, tmp_path):
    weights = [f"module.weights.{name}=0.5" for name in sorted(OPTIONAL)]
    lines = lines_of(
        train_small(inputs, tmp_path, *ADVERSARY, *weights, "module.foreground.floor=0.1")
    )
    plays = ["train/discriminator" in line for line in lines]
    assert plays == [False] * 4 + [True] * 4
    assert all({"adversarial", "matching", *OPTIONAL} <= names_in(line) for line in lines[4:])
    assert lines[4]["train/discriminator"] == pytest.approx(2, abs=0.5)  # it knows nothing yet


def test_a_batch_is_taken_in_parts(inputs, tmp_path):
    folder = train_small(inputs, tmp_path / "parts", *ADVERSARY, "module.micro_batches=2")
    assert [line["step"] for line in lines_of(folder)] == list(range(1, 9))
    with pytest.raises(InputError, match="3 equal parts"):
        train_small(inputs, tmp_path / "odd", "module.micro_batches=3")


def test_one_batch_is_overfitted(inputs, tmp_path, monkeypatch):
    real = FaceDataModule.batch_at
    monkeypatch.setattr(FaceDataModule, "batch_at", lambda self, step: real(self, 0))
    lines = lines_of(
        train_small(
            inputs,
            tmp_path,
            "max_steps=45",
            "module.encoder_steps=5",
            "module.augmentation.code_noise=0.1",
            "module.weights.bottleneck=0.0",
            "module.weights.transfer=0.0",  # what an expert of random weights wants is noise
            "module.augmentation.colour=0.0",
            "data.batch_size=2",
            "log_every=5",
        )
    )
    values = [line["train/reconstruction"] for line in lines if "train/reconstruction" in line]
    assert values[-1] < 0.75 * values[0]
    assert lines[-1]["train/pose"] < 0.5 * lines[0]["train/pose"]
