"""Saved networks come back as they were, and nothing but our networks is built."""

import json

import pytest
import torch

from vasa.models.checkpoint import load_model, model_hash, save_model
from vasa.models.syncnet import SyncNet
from vasa.types import InputError

CONFIG = {
    "_target_": "vasa.models.syncnet.SyncNet",
    "size": 32,
    "top": 0.4,
    "visual_widths": [4, 8],
    "audio_widths": [4, 8],
    "num_mels": 16,
    "hidden": 8,
    "embedding_dim": 8,
    "groups": 2,
}


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    net = SyncNet(**{key: value for key, value in CONFIG.items() if key != "_target_"})
    return net, save_model(net, CONFIG, tmp_path / "run" / "model")


def test_comes_back_equal_and_in_evaluation_mode(saved):
    net, folder = saved
    for directory in (folder, folder.parent):
        again = load_model(directory)
        assert not again.training
        assert all(torch.equal(net.state_dict()[k], v) for k, v in again.state_dict().items())


def test_hash_follows_weights_and_configuration(saved, tmp_path):
    net, folder = saved
    before = model_hash(folder)
    assert model_hash(save_model(net, CONFIG, tmp_path / "same")) == before
    with torch.no_grad():
        next(net.parameters()).add_(1e-3)
    assert model_hash(save_model(net, CONFIG, tmp_path / "other")) != before
    save_model(net, {**CONFIG, "top": 0.5}, folder)
    assert model_hash(folder) != before


def test_saving_leaves_nothing_aside(saved):
    net, folder = saved
    left = folder.with_name(".model.part")  # by a kill
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half of")
    save_model(net, CONFIG, folder)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["model"]


def test_missing_model_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="no model at .*vasa train"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "torch.nn.Linear",
        "vasa.models.checkpoint.os.system",
        "vasa.models.checkpoint.load_file",
        "vasa.models.checkpoint.nn.Linear",
        "vasa.nothing.Net",
        7,
    ],
)
def test_foreign_targets_are_refused(saved, target):
    _, folder = saved
    (folder / "config.json").write_text(json.dumps({"_target_": target}))
    with pytest.raises(InputError):
        load_model(folder)


@pytest.mark.parametrize("damage", ["config", "arguments", "weights"])
def test_damaged_folders_are_refused(saved, damage):
    _, folder = saved
    if damage == "config":
        (folder / "config.json").write_text("{")
    elif damage == "arguments":
        (folder / "config.json").write_text(json.dumps({**CONFIG, "sizes": 3}))
    else:
        (folder / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="config.json"):
        load_model(folder)
