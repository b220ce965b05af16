"""Landmark backends: one interface, chosen by name, and what each says of itself."""

import hashlib
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from data_prep.landmark_backends import (
    BATCH_FRAMES,
    FaceAlignmentLandmarks,
    MeshLandmarks,
    make_backend,
)
from vasa.pretrained.landmarks import IBUG68
from vasa.pretrained.registry import REGISTRY
from vasa.types import InputError


class Seeing(torch.nn.Module):
    """Every heat map is the picture's brightness."""

    def forward(self, images):
        heat = F.avg_pool2d(images.mean(dim=1, keepdim=True), 4)
        return heat * torch.ones(68, 1, 1)


@pytest.fixture
def weights(tmp_path):
    """A network of FAN's form, its name ending with its checksum."""
    plain = tmp_path / "toy.zip"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(Seeing(), torch.rand(1, 3, 256, 256)), str(plain))
    start = hashlib.sha256(plain.read_bytes()).hexdigest()[:10]
    return plain.rename(tmp_path / f"TOY4-{start}.zip")


def _mesh(num, *, seed=0):
    """A mesh over pixels 70 to 190 of 256, the same in every frame."""
    mesh = np.random.default_rng(seed).uniform(70, 190, (1, 478, 3)).astype(np.float32)
    return np.repeat(mesh, num, axis=0)


def _frames(columns):
    """Pictures of 256 px with a bright square of 16 px, its centre at (column, 120)."""
    frames = np.zeros((len(columns), 256, 256, 3), np.uint8)
    for frame, column in zip(frames, columns, strict=True):
        frame[112:128, column - 8 : column + 8] = 255
    return frames


def test_mesh_is_the_default_subset_of_the_mesh():
    backend = make_backend("mesh", None)
    mesh = _mesh(3)
    found = backend(np.zeros((3, 8, 8, 3), np.uint8), mesh)
    assert isinstance(backend, MeshLandmarks)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, mesh[:, list(IBUG68), :2])
    assert backend.describe() == "face_landmarks:" + REGISTRY["face_landmarks"].sha256[:8]


def test_face_alignment_looks_at_every_frame_in_batches(weights):
    columns = np.arange(2 * BATCH_FRAMES + 3) * 5 + 80
    backend = make_backend("face_alignment", str(weights))
    frames, mesh = _frames(columns), _mesh(len(columns))
    found = backend(frames, mesh)
    assert isinstance(backend, FaceAlignmentLandmarks)
    assert found.shape == (len(columns), 68, 2) and found.dtype == np.float32
    # the square's middle is flat, so its first brightest heat-map pixel may be near its edge
    assert np.abs(found[..., 0] - columns[:, None]).max() < 9
    assert np.abs(found[..., 1] - 120).max() < 9
    single = np.concatenate([backend(frames[i : i + 1], mesh[i : i + 1]) for i in (0, 9, 18)])
    np.testing.assert_array_equal(single, found[[0, 9, 18]])
    assert backend(frames[:0], mesh[:0]).shape == (0, 68, 2)


def test_face_alignment_names_its_file_with_its_checksum(weights):
    assert (
        make_backend("face_alignment", str(weights)).describe() == f"face_alignment:{weights.stem}"
    )
    start = weights.stem.split("-")[1]
    for name in ("mine.zip", "my-fan.zip"):
        weights = weights.rename(weights.with_name(name))
        wanted = f"face_alignment:{weights.stem}-{start}"
        assert make_backend("face_alignment", str(weights)).describe() == wanted


def test_mistakes_are_told(tmp_path, weights):
    with pytest.raises(InputError, match="expected landmarks mesh or face_alignment, got 'dlib'"):
        make_backend("dlib", None)
    for nothing in (None, ""):
        with pytest.raises(InputError, match="expected label.landmarks_weights=PATH.*adrianbulat"):
            make_backend("face_alignment", nothing)
    with pytest.raises(InputError, match="got no file"):
        make_backend("face_alignment", str(tmp_path / "absent.zip"))
    with pytest.warns(UserWarning, match="no effect"):
        make_backend("mesh", str(weights))
