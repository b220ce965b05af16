"""The 68 iBUG points of a synthetic face: points of the drawn geometry, projected by the pose."""

import numpy as np

from data_prep.synth.canvas import make_view
from data_prep.synth.identity import Identity
from data_prep.synth.shape import CHIN, HeadTables
from data_prep.synth.state import (
    FaceState,
    MouthShape,
    brow_height,
    eye_shape,
    jaw_map,
    mouth_shape,
)


def _jaw(who: Identity, tables: HeadTables) -> list[tuple[float, float]]:
    """17 rest points along the face's edge, from one ear over the chin to the other."""
    chin = CHIN + who.chin_length
    points = []
    for i in range(17):
        angle = (i - 8) / 8.0 * (np.pi / 2)
        y = 0.02 + (chin - 0.02 - 0.012) * np.cos(angle) ** 0.85
        share = 0.93 if i != 8 else 0.0
        points.append((np.sign(angle) * share * float(tables.profile_at(y)[0]), y))
    return points


def _mouth(shape: MouthShape) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Outer (12) and inner (8) lip points in iBUG order, at their present heights."""

    def inner(u: float, sign: int) -> tuple[float, float]:
        gap = -shape.gap_up if sign < 0 else shape.gap_down
        return (u * shape.half_width, float(shape.line(u) + gap * shape.gap(u)))

    def outer(u: float, sign: int) -> tuple[float, float]:
        arch = max(1.0 - u * u, 0.0)
        if sign < 0:
            out = -shape.upper * arch**0.8 * (1.0 - 0.22 * np.exp(-((u / 0.16) ** 2)))
        else:
            out = shape.lower * arch**0.6
        return (u * shape.half_width, inner(u, sign)[1] + float(out))

    outside = [outer(u, -1) for u in (-1.0, -0.6, -0.24, 0.0, 0.24, 0.6, 1.0)]
    outside += [outer(u, 1) for u in (0.6, 0.28, 0.0, -0.28, -0.6)]
    inside = [inner(u, -1) for u in (-0.92, -0.35, 0.0, 0.35, 0.92)]
    inside += [inner(u, 1) for u in (0.35, 0.0, -0.35)]
    return outside, inside


def face_points(*, who: Identity, tables: HeadTables, state: FaceState) -> np.ndarray:
    """The landmarks in head coordinates, `68 3`."""
    shape, lids = mouth_shape(who, state), eye_shape(who, state)
    heights = np.linspace(-1.0, 1.0, 401)
    moved = jaw_map(who, shape.jaw, heights)

    def on_surface(x: float, y: float) -> np.ndarray:
        point = tables.front(x, float(np.interp(y, moved, heights)))
        return np.array([x, y, point[2]])

    def at_rest(x: float, y: float) -> np.ndarray:
        return on_surface(x, float(jaw_map(who, shape.jaw, y)))

    points = [at_rest(x, y) for x, y in _jaw(who, tables)]
    for side, order in ((-1, (1.0, 0.5, 0.0, -0.5, -1.0)), (1, (-1.0, -0.5, 0.0, 0.5, 1.0))):
        for u in order:
            x = side * (who.eye_spacing + 0.005 + 0.155 * u)
            points.append(on_surface(x, float(brow_height(who, state, u))))
    tip = who.nose_length
    points += [on_surface(0.0, y) for y in (0.0, tip / 3, 2 * tip / 3, tip)]
    base = tip + 0.06
    points += [
        on_surface(who.nose_width * u, base + d)
        for u, d in ((-1, -0.02), (-0.5, 0), (0, 0.012), (0.5, 0), (1, -0.02))
    ]
    for side in (-1, 1):
        ends = (1.0, -1.0) if side < 0 else (-1.0, 1.0)
        across = (0.38, -0.38) if side < 0 else (-0.38, 0.38)

        def lid(u: float, upper: bool, side: int = side) -> np.ndarray:
            edge = lids.upper(u) if upper else lids.lower(u)
            return on_surface(side * (lids.x + u * lids.half_width), float(edge))

        points.append(lid(ends[0], True))
        points += [lid(u, True) for u in across]
        points.append(lid(ends[1], True))
        points += [lid(u, False) for u in reversed(across)]
    outside, inside = _mouth(shape)
    points += [on_surface(x, y) for x, y in outside + inside]
    return np.stack(points)


def landmarks(*, who: Identity, tables: HeadTables, state: FaceState, size: int) -> np.ndarray:
    """The landmarks in pixels of a picture of this size, edge coordinates, `68 2`."""
    view = make_view(pose=np.asarray(state.pose, np.float64), width=size)
    flat = view.project(face_points(who=who, tables=tables, state=state))[:, :2]
    return ((flat + 1.0) * (0.5 * size)).astype(np.float32)
