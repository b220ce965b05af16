"""The registry of frozen experts: what is missing or wrong is said in one clear line."""

import pytest

from vasa.pretrained.face_detector import FaceDetector
from vasa.pretrained.registry import REGISTRY, find_weight, require_weight, weight_folders
from vasa.types import InputError


@pytest.fixture
def no_weights(tmp_path, monkeypatch):
    """An empty home and one empty weights folder."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VASA_WEIGHTS", str(folder))
    return folder


def test_missing_weights_name_file_licence_and_source(no_weights):
    assert find_weight("face_detector") is None
    assert not FaceDetector.available()
    with pytest.raises(InputError) as caught:
        FaceDetector()
    text = str(caught.value)
    for part in ("face_detect.pt", "Apache-2.0", "MediaPipe", "VASA_WEIGHTS", str(no_weights)):
        assert part in text


def test_wrong_checksum_is_refused(no_weights):
    (no_weights / "face_detect.pt").write_bytes(b"not a network")
    with pytest.raises(InputError, match="expected sha256 9bc153b1"):
        require_weight("face_detector")


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match="face_landmarks"):
        find_weight("face_landmark")


def test_folders_in_order_then_the_user_cache(no_weights, tmp_path, monkeypatch):
    second = tmp_path / "second"
    second.mkdir()
    monkeypatch.setenv("VASA_WEIGHTS", f"{no_weights}:{second}")
    assert weight_folders() == [
        no_weights,
        second,
        tmp_path / "home" / ".cache" / "vasa" / "weights",
    ]
    (second / "face_detect.pt").write_bytes(b"second")
    assert find_weight("face_detector") == second / "face_detect.pt"
    (no_weights / "face_detect.pt").write_bytes(b"first")
    assert find_weight("face_detector") == no_weights / "face_detect.pt"


def test_every_entry_is_complete():
    assert len({entry.file for entry in REGISTRY.values()}) == len(REGISTRY)
    for entry in REGISTRY.values():
        assert len(entry.sha256) == 64
        assert all((entry.role, entry.licence, entry.source, entry.contract))
    assert FaceDetector.describe()["sha256"] == REGISTRY["face_detector"].sha256
