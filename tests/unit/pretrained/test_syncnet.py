"""The published SyncNet's weights: files of the same form, and what is refused."""

import numpy as np
import pytest
import torch
from torch import nn

from vasa.models.checkpoint import model_hash, save_model
from vasa.models.published_syncnet import PICTURE_PX, PublishedSyncNet
from vasa.models.sync_score import published_result, sync_result
from vasa.pretrained import syncnet as published
from vasa.pretrained.head_pose import face_template
from vasa.pretrained.registry import WEIGHTS_VARIABLE, file_sha256
from vasa.pretrained.sync_scorer import load_sync_scorer, weights_name
from vasa.types import InputError

SIZES = {"crop": [0.0, 0.0, 1.0], "width_divisor": 16, "embedding_dim": 8}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(tmp_path))
    monkeypatch.setattr("vasa.pretrained.registry.USER_CACHE", tmp_path / "none")
    return tmp_path


def full_size() -> PublishedSyncNet:
    torch.manual_seed(0)
    return PublishedSyncNet(crop=published.REFERENCE_CROP, width_divisor=1, embedding_dim=1024)


def test_file_of_the_same_form_is_loaded_and_named(folder):
    path, net = folder / "syncnet_v2.model", full_size()
    state = net.state_dict()
    old = {name: value for name, value in state.items() if "num_batches" not in name}
    torch.save(dict(old), path)  # of a torch that did not count batches
    with pytest.warns(UserWarning, match="official only if its weights are the same"):
        scorer = load_sync_scorer("official")
    assert scorer.weights == weights_name("official") == f"official:{file_sha256(path)[:8]}"
    assert scorer.compare is published_result and scorer.min_frames == 9
    loaded = scorer.net.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in old.items())
    frames = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)
    result = scorer.score(frames=frames, audio=np.zeros(9 * 640, np.float32))
    assert result.num_candidates == 31 and result.shift_distances.isfinite().all()
    assert not any(weight.requires_grad for weight in scorer.net.parameters())


class Whole(nn.Module):
    """Pickled whole, as some copies of the file are."""


def test_pickled_module_is_not_run_but_explained(folder):
    torch.save(Whole(), folder / "syncnet_v2.model")
    with pytest.warns(UserWarning), pytest.raises(InputError, match="Convert it once") as error:
        load_sync_scorer("official")
    assert "weights_only=False" in str(error.value) and "net.state_dict()" in str(error.value)


@pytest.mark.filterwarnings("ignore:.*official only if")
def test_other_contents_are_refused(folder):
    path = folder / "syncnet_v2.model"
    torch.save({"netcnnaud.0.weight": torch.zeros(64, 1, 3, 3)}, path)
    with pytest.raises(InputError, match="state dict of the published SyncNet"):
        load_sync_scorer("official")
    torch.save(torch.zeros(3), path)
    with pytest.raises(InputError, match="state dict of the published SyncNet"):
        load_sync_scorer("official")
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(InputError, match="syncnet_v2"):
        load_sync_scorer("official")


def test_missing_file_says_which_whose_and_where_from(folder):
    with pytest.raises(InputError) as error:
        load_sync_scorer("official")
    for part in (
        "syncnet_v2.model",
        "MIT",
        "robots.ox.ac.uk/~vgg/software/lipsync",
        "VASA_WEIGHTS",
    ):
        assert part in str(error.value)


def test_run_folder_is_an_own_scale(tmp_path):
    net = PublishedSyncNet(**SIZES)
    config = {"_target_": "vasa.models.published_syncnet.PublishedSyncNet", **SIZES}
    save_model(net, config, tmp_path / "model")
    scorer = load_sync_scorer(tmp_path)
    assert scorer.weights == f"own:{model_hash(tmp_path)[:8]}" and scorer.compare is sync_result
    save_model(nn.Linear(1, 1), {"_target_": "vasa.models.syncnet.LogMel", "num_mels": 8}, tmp_path)
    with pytest.raises(InputError, match="safetensors|SyncNet"):
        load_sync_scorer(tmp_path)


@pytest.mark.parametrize("delay", [0, 3, -3])
def test_sound_made_late_or_early_is_found_so(tmp_path, delay):
    net = PublishedSyncNet(**SIZES)
    config = {"_target_": "vasa.models.published_syncnet.PublishedSyncNet", **SIZES}
    save_model(net, config, tmp_path / "model")
    track = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
    result = load_sync_scorer(tmp_path).result(track, track, delay_frames=delay)
    assert result.offset_frames == delay and result.distance == 0


def test_crop_is_the_references_on_the_mean_head():
    points, _ = face_template()
    low, high = points.min(dim=0).values, points.max(dim=0).values
    half, middle = float((high - low)[:2].max()) / 2, (low + high) / 2
    scale = 0.4  # the reference's crop_scale
    left = float(middle[0]) - half * (1 + scale)
    top = float(middle[1]) - half
    side = 2 * half * (1 + scale)
    wanted = ((left + 1) / 2, (top + 1) / 2, side / 2)  # a crop is 2 head units wide
    assert published.REFERENCE_CROP == pytest.approx(wanted, abs=2e-3)
    assert PICTURE_PX == 224
