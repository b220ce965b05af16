"""Where the 68 landmarks of a prepared clip come from: one interface, two backends.

Only these 68 points depend on the backend. Pose, gaze, blink and the mouth's shape are always
measured on the 478-point mesh: FAN has no irises and no depth, and it needs the mesh to know
where the face is.
"""

import re
import warnings
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from vasa.pretrained.fan import FAN_SOURCE, NUM_POINTS, FanLandmarks
from vasa.pretrained.landmarks import ibug68
from vasa.pretrained.registry import REGISTRY
from vasa.types import InputError

BATCH_FRAMES = 8
"""Frames that go through FAN at once; fixed, so that a clip's labels depend on the clip only."""


class LandmarkBackend(Protocol):
    """What turns crops with a known mesh into 68 landmarks."""

    def describe(self) -> str:
        """What a set names: the network and the start of its file's checksum."""
        ...

    def __call__(self, frames: np.ndarray, mesh: np.ndarray) -> np.ndarray:
        """The 68 iBUG landmarks of every frame.

        Args:
            frames: the crops, RGB uint8 `t h w 3`.
            mesh: `t 478 3` in edge pixels of the crops.

        Returns:
            float32 `t 68 2` in edge pixels of the crops (the centre of pixel i is i + 0.5).
        """
        ...


class MeshLandmarks:
    """The mesh's own vertices next to the 68 points; the pictures are not looked at."""

    def describe(self) -> str:
        entry = REGISTRY["face_landmarks"]
        return f"{entry.name}:{entry.sha256[:8]}"

    def __call__(self, frames: np.ndarray, mesh: np.ndarray) -> np.ndarray:
        return ibug68(torch.as_tensor(mesh))[..., :2].numpy().astype(np.float32)


class FaceAlignmentLandmarks:
    """FAN on every frame, its square placed by the mesh.

    FAN works at 256 px: in crops smaller than that it sees an enlarged picture, and the points
    are no finer than a quarter of a heat-map pixel (about 1/250 of its square).

    Raises:
        InputError: the file is missing, damaged, or no FAN.
    """

    def __init__(self, weights: str | Path) -> None:
        self.fan = FanLandmarks(weights)

    def describe(self) -> str:
        facts = self.fan.describe()
        stem, start = Path(facts["file"]).stem, facts["sha256"][:10]
        if not re.search(rf"-{start[:8]}[0-9a-f]*$", stem):
            stem = f"{stem}-{start}"
        return f"{facts['name']}:{stem}"

    def __call__(self, frames: np.ndarray, mesh: np.ndarray) -> np.ndarray:
        found = np.empty((len(frames), NUM_POINTS, 2), dtype=np.float32)
        for start in range(0, len(frames), BATCH_FRAMES):
            part = slice(start, start + BATCH_FRAMES)
            found[part] = self.fan(frames[part], mesh[part])
        return found


def make_backend(name: str, weights: str | None) -> LandmarkBackend:
    """The backend called `mesh` or `face_alignment`.

    Args:
        name: `label.landmarks` of the configuration.
        weights: `label.landmarks_weights`, the path of FAN's file; the mesh needs none.

    Raises:
        InputError: unknown name, or no usable weights for `face_alignment`.
    """
    if name == "mesh":
        if weights:
            warnings.warn(
                "label.landmarks_weights has no effect with label.landmarks=mesh", stacklevel=2
            )
        return MeshLandmarks()
    if name != "face_alignment":
        raise InputError(
            f"expected landmarks mesh or face_alignment, got {name!r}; set label.landmarks to one"
        )
    if not weights:
        raise InputError(
            "expected label.landmarks_weights=PATH, FAN's file for label.landmarks=face_alignment, "
            f"got none; get {FAN_SOURCE}"
        )
    return FaceAlignmentLandmarks(weights)
