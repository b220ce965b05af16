"""Folds of the skin that a feeling makes: they tell feelings apart where brows are small.

Which fold goes with which feeling follows Ekman and Friesen's facial action coding system: brows
drawn together (AU 4) leave upright lines between them, raised ones (AU 1, 2) lines across the
forehead, a wrinkled nose (AU 9) folds beside it, raised cheeks and lip corners (AU 6, 12) the fold
from nose to mouth, lowered corners (AU 15) one below them, one raised corner (AU 14) a fold there.
"""

from dataclasses import dataclass

import numpy as np

from data_prep.synth.features import Patch
from data_prep.synth.identity import Identity
from data_prep.synth.shape import clamp

_HAPPY, _SAD, _SURPRISE, _FEAR, _DISGUST, _ANGER, _CONTEMPT = range(1, 8)
_SOFTNESS_PX = 0.6
"""Half the width of a fold at least, or it would flicker between pixels."""


@dataclass(frozen=True, kw_only=True)
class _Fold:
    """A straight fold in head units; mirrored unless it is of one side.

    Attributes:
        start, stop: its ends, x y.
        depth: how much darker its middle is, by feeling.
        width: half its width.
        one_sided: on the side of positive x alone.
    """

    start: tuple[float, float]
    stop: tuple[float, float]
    depth: dict[int, float]
    width: float
    one_sided: bool = False


def _folds(who: Identity) -> list[_Fold]:
    nose, corner = 0.30, (who.mouth_width, who.mouth_y)
    return [
        _Fold(
            start=(0.115, nose),
            stop=(corner[0] + 0.055, corner[1] - 0.05),
            depth={_HAPPY: 0.45, _DISGUST: 0.30},
            width=0.020,
        ),
        _Fold(
            start=(corner[0] + 0.02, corner[1] + 0.04),
            stop=(corner[0] + 0.05, corner[1] + 0.13),
            depth={_SAD: 0.45},
            width=0.020,
        ),
        _Fold(
            start=(0.032, who.brow_y - 0.05),
            stop=(0.026, who.brow_y + 0.08),
            depth={_ANGER: 0.50, _SAD: 0.20},
            width=0.014,
        ),
        _Fold(start=(0.0, -0.32), stop=(0.22, -0.33), depth={_SURPRISE: 0.35}, width=0.014),
        _Fold(
            start=(0.0, -0.39),
            stop=(0.16, -0.40),
            depth={_SURPRISE: 0.30, _FEAR: 0.40},
            width=0.014,
        ),
        _Fold(start=(0.0, 0.03), stop=(0.075, 0.10), depth={_DISGUST: 0.40}, width=0.022),
        _Fold(
            start=(corner[0] + 0.035, corner[1] - 0.11),
            stop=(corner[0] + 0.065, corner[1] + 0.02),
            depth={_CONTEMPT: 0.45},
            width=0.026,
            one_sided=True,
        ),
    ]


def draw_creases(patch: Patch, *, who: Identity, emotion: np.ndarray, pixel: float) -> None:
    """Darken the skin along the folds of the feelings.

    Args:
        patch: pixels of the head.
        who: whose head.
        emotion: weights of the feelings, `8`.
        pixel: a picture's pixel in head units.
    """
    for fold in _folds(who):
        depth = sum(share * float(emotion[feeling]) for feeling, share in fold.depth.items())
        if depth <= 0:
            continue
        width = max(fold.width, _SOFTNESS_PX * pixel)
        reach = 3 * width
        x = patch.x if fold.one_sided else np.abs(patch.x)
        (x0, y0), (x1, y1) = fold.start, fold.stop
        index = np.flatnonzero(
            (x > min(x0, x1) - reach)
            & (x < max(x0, x1) + reach)
            & (patch.y > min(y0, y1) - reach)
            & (patch.y < max(y0, y1) + reach)
        )
        dx, dy = x[index] - x0, patch.y[index] - y0
        along = np.array([x1 - x0, y1 - y0], np.float32)
        place = clamp((dx * along[0] + dy * along[1]) / float(along @ along), 0.0, 1.0)
        apart = np.hypot(dx - place * along[0], dy - place * along[1])
        patch.light[index] *= 1.0 - depth * np.exp(-((apart / width) ** 2))
