"""Head pose as the user wants it; what is left open is generated. Users write degrees.

Shapes: t frames, m motion, p pose components.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vasa.types import InputError

RANGES = {
    "yaw": (-60.0, 60.0),
    "pitch": (-45.0, 45.0),
    "roll": (-45.0, 45.0),
    "tx": (-0.5, 0.5),
    "ty": (-0.5, 0.5),
    "scale": (0.5, 2.0),
}
"""What may be asked of each component: degrees; half pictures; times the mean size. In the order
of `z_pose`."""
_ANGLES = ("yaw", "pitch", "roll")
_HELP = "yaw, pitch, roll (degrees), tx, ty (half pictures) and scale (1: the mean size)"


@dataclass(frozen=True, kw_only=True)
class PoseOverride:
    """Pose by frame; an edit of motion for `vasa.inference.pipeline.TalkingFace.frames`.

    Attributes:
        track: yaw, pitch, roll (rad), tx, ty (half pictures), log scale; NaN is left to the model,
            `t p`. The last row holds for all frames after it, so a constant is one row.
    """

    track: Tensor

    def __call__(self, motion: Tensor, first: int) -> Tensor:
        """Motion with the asked pose.

        Args:
            motion: [z_pose, z_dyn], `t m`.
            first: index of its first frame in the video.
        """
        frames = torch.arange(first, first + len(motion)).clamp(max=len(self.track) - 1)
        asked = self.track[frames].to(motion)
        num = asked.shape[1]
        pose = torch.where(asked.isnan(), motion[:, :num], asked)
        return torch.cat((pose, motion[:, num:]), dim=1)


def read_pose(asked: Mapping[str, Any] | str | None) -> PoseOverride | None:
    """The user's wish.

    Args:
        asked: constants by name; or the file of a track, row i for frame i at 25 fps: a `.csv`
            with a header, empty cells left to the model, or an `.npz` with an array `t` a name,
            NaN left to the model. None: all is generated.

    Raises:
        InputError: unknown names, no numbers, out of range, or no such file.
    """
    if asked is None:
        return None
    if isinstance(asked, Mapping):
        columns = {str(name): [value] for name, value in asked.items()}
        where = "pose"
    else:
        path = Path(str(asked))
        if not path.is_file() or path.suffix not in (".csv", ".npz"):
            raise InputError(
                "expected pose={NAME: VALUE, ...} or the .csv or .npz file of a track, "
                f"found none at {path}"
            )
        columns = _read_csv(path) if path.suffix == ".csv" else _read_npz(path)
        where = f"{path}"
    return PoseOverride(track=_track(columns, where))


def _read_csv(path: Path) -> dict[str, list[Any]]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file, skipinitialspace=True))
    if len(rows) < 2 or any(len(row) != len(rows[0]) for row in rows):
        raise InputError(f"expected a header and rows of as many cells in {path}")
    header, *rest = rows
    return {name.strip(): [row[i] for row in rest] for i, name in enumerate(header)}


def _read_npz(path: Path) -> dict[str, list[Any]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            columns = {name: np.atleast_1d(arrays[name]) for name in arrays.files}
    except (OSError, ValueError) as error:
        raise InputError(f"expected an .npz of arrays, could not read {path}: {error}") from error
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1 or 0 in lengths or any(c.ndim != 1 for c in columns.values()):
        raise InputError(f"expected arrays of one length in {path}, got {sorted(lengths)}")
    return {name: list(column) for name, column in columns.items()}


def _track(columns: dict[str, list[Any]], where: str) -> Tensor:
    if not columns or not set(columns) <= set(RANGES):
        raise InputError(f"expected in {where} some of {_HELP}, got {', '.join(columns) or '{}'}")
    length = len(next(iter(columns.values())))
    track = torch.full((length, len(RANGES)), torch.nan)
    for index, name in enumerate(RANGES):
        for frame, value in enumerate(columns.get(name, [])):
            track[frame, index] = _inside(name, value, where=where, frame=frame)
    return track


def _inside(name: str, value: Any, *, where: str, frame: int) -> float:
    """A value in the model's units; NaN for none."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return math.nan
    place = f"{name} of {where} (frame {frame})"
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"expected a number for {place}, got {value!r}") from error
    low, high = RANGES[name]
    if math.isnan(number):
        return number
    if not low <= number <= high:
        unit = " degrees" if name in _ANGLES else ""
        raise InputError(f"expected {low:g} to {high:g}{unit} for {place}, got {number:g}")
    if name == "scale":
        return math.log(number)
    return math.radians(number) if name in _ANGLES else number
