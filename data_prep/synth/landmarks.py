"""The 68 iBUG points of a synthetic face: points of the drawn geometry, projected by the pose."""

import numpy as np

from data_prep.synth.canvas import make_view
from data_prep.synth.identity import Identity
from data_prep.synth.shape import CHIN, HeadTables
from data_prep.synth.state import (
    EyeShape,
    FaceState,
    MouthShape,
    brow_height,
    eye_shape,
    jaw_map,
    mouth_shape,
)


def _jaw(who: Identity, tables: HeadTables) -> tuple[np.ndarray, np.ndarray]:
    """17 rest points x, y along the face's edge, from one ear over the chin to the other."""
    angle = np.linspace(-0.5, 0.5, 17) * np.pi
    chin = CHIN + who.chin_length
    y = 0.02 + (chin - 0.032) * np.maximum(np.cos(angle), 0.0) ** 0.85
    return 0.93 * np.sign(np.round(angle, 6)) * tables.profile_at(y)[0], y


def _brows(who: Identity, state: FaceState) -> tuple[np.ndarray, np.ndarray]:
    u = np.linspace(-1.0, 1.0, 5)
    y = brow_height(who, state, u)
    x = who.eye_spacing + 0.005 + 0.155 * u
    return np.concatenate([-x[::-1], x]), np.concatenate([y[::-1], y])


def _nose(who: Identity) -> tuple[np.ndarray, np.ndarray]:
    tip = who.nose_length
    x = np.concatenate([np.zeros(4), who.nose_width * np.linspace(-1, 1, 5)])
    under = tip + 0.06 + np.array([-0.02, 0.0, 0.012, 0.0, -0.02])
    return x, np.concatenate([tip * np.arange(4) / 3.0, under])


def _eyes(lids: EyeShape) -> tuple[np.ndarray, np.ndarray]:
    """Left eye of the picture from its outer corner over the upper lid; right from its inner."""
    u = np.array([1.0, 0.38, -0.38, -1.0, -0.38, 0.38])
    y = np.where(np.arange(6) < 4, lids.upper(u), lids.lower(u))
    x = lids.x + u * lids.half_width
    mirrored = [3, 2, 1, 0, 5, 4]
    return np.concatenate([-x, x[mirrored]]), np.concatenate([y, y[mirrored]])


def _mouth(shape: MouthShape) -> tuple[np.ndarray, np.ndarray]:
    """12 outer and 8 inner lip points."""
    outer_up = np.array([-1.0, -0.6, -0.24, 0.0, 0.24, 0.6, 1.0])
    outer_low = np.array([0.6, 0.28, 0.0, -0.28, -0.6])
    inner_up = np.array([-0.92, -0.35, 0.0, 0.35, 0.92])
    inner_low = np.array([0.35, 0.0, -0.35])
    u = np.concatenate([outer_up, outer_low, inner_up, inner_low])
    gaps = np.repeat([-shape.gap_up, shape.gap_down, -shape.gap_up, shape.gap_down], [7, 5, 5, 3])
    arch = 1.0 - u**2
    above = -shape.upper * arch**0.8 * (1.0 - 0.22 * np.exp(-((u / 0.16) ** 2)))
    below = shape.lower * arch**0.6
    out = np.concatenate([above[:7], below[7:12], np.zeros(8)])
    return u * shape.half_width, shape.line(u) + gaps * shape.gap(u) + out


def face_points(*, who: Identity, tables: HeadTables, state: FaceState) -> np.ndarray:
    """The landmarks in head coordinates, `68 3`."""
    shape = mouth_shape(who, state)
    jaw_x, jaw_y = _jaw(who, tables)
    parts = [
        (jaw_x, jaw_map(who, shape.jaw, jaw_y)),
        _brows(who, state),
        _nose(who),
        _eyes(eye_shape(who, state)),
        _mouth(shape),
    ]
    x, y = (np.concatenate(axis) for axis in zip(*parts, strict=True))
    heights = np.linspace(-1.0, 1.0, 401)
    rest = np.interp(y, jaw_map(who, shape.jaw, heights), heights)
    return np.stack([x, y, tables.front(x, rest)], axis=1)


def landmarks(*, who: Identity, tables: HeadTables, state: FaceState, size: int) -> np.ndarray:
    """The landmarks in pixels of a picture of this size, edge coordinates, `68 2`."""
    view = make_view(pose=np.asarray(state.pose, np.float64), width=size)
    flat = view.project(face_points(who=who, tables=tables, state=state))[:, :2]
    return ((flat + 1.0) * (0.5 * size)).astype(np.float32)
