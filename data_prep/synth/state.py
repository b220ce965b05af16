"""What a synthetic face does at one instant: the factors that may be set freely.

| factor | unit, range | meaning |
| --- | --- | --- |
| pose | yaw, pitch, roll (rad), tx, ty (half pictures), log scale | see vasa.geometry.rotation |
| opening | 0 to 0.32, of the outer-eye-corner distance | inner-lip gap: the truth's mouth[0] |
| stretch | 0.7 to 1.2 | mouth width at rounding 0, of the person's own at rest |
| rounding | 0 to 1 | narrows and pushes out the lips (o, u, w) |
| teeth | 0 to 1 | 1 keeps the jaws together behind open lips (s, z, t) |
| tuck | 0 to 1 | lower lip under the upper teeth (f, v) |
| tongue | 0 to 1 | tongue raised (l, n, th) |
| gaze | theta, phi (rad) relative to the head | horizontal as yaw, vertical as pitch |
| blink | 0 to 1 | 1 = both lids closed |
| brow_raise, brow_frown | -1 to 1, 0 to 1 | |
| emotion | 8 weights | neutral, happy, sad, surprise, fear, disgust, anger, contempt |
"""

from dataclasses import dataclass, field

import numpy as np

from data_prep.synth.identity import Identity
from data_prep.synth.shape import clamp

EMOTIONS = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt")


def _neutral() -> np.ndarray:
    return np.eye(len(EMOTIONS), dtype=np.float32)[0]


@dataclass(frozen=True, kw_only=True)
class FaceState:
    """One instant of a face; the module's table gives units and ranges."""

    pose: np.ndarray = field(default_factory=lambda: np.zeros(6, np.float32))
    opening: float = 0.0
    stretch: float = 1.0
    rounding: float = 0.0
    teeth: float = 0.0
    tuck: float = 0.0
    tongue: float = 0.0
    gaze: np.ndarray = field(default_factory=lambda: np.zeros(2, np.float32))
    blink: float = 0.0
    brow_raise: float = 0.0
    brow_frown: float = 0.0
    emotion: np.ndarray = field(default_factory=_neutral)


@dataclass(frozen=True, kw_only=True)
class MouthShape:
    """The mouth of one instant in head units, as it is drawn and as the truth reports it.

    Attributes:
        y: height of the mouth line at the middle.
        half_width: half the corner distance.
        gap_up, gap_down: how far the inner edges of the lips are from the mouth line at the middle.
        upper, lower: lip thickness at the middle.
        bend, skew: the line's height at the corners: y + bend u^2 + skew u, u = x / half_width.
        power: shape of the gap, (1 - u^2)^power.
        jaw: how far the chin has dropped.
        bulge: how far the lips are pushed out, 0 to 1.
    """

    y: float
    half_width: float
    gap_up: float
    gap_down: float
    upper: float
    lower: float
    bend: float
    skew: float
    power: float
    jaw: float
    bulge: float

    def line(self, u):
        """Height of the mouth line at u = x / half_width."""
        return self.y + self.bend * u**2 + self.skew * u

    def gap(self, u):
        """Share of the middle's gap at u."""
        return np.maximum(1.0 - u**2, 0.0) ** self.power


def mouth_shape(who: Identity, state: FaceState) -> MouthShape:
    """Mouth geometry of one instant; emotion bends the corners and leaves gap and width alone."""
    gap = float(state.opening) * who.eye_corner_distance
    jaw = gap * (0.78 - 0.55 * float(state.teeth))
    rounding, tuck = float(state.rounding), float(state.tuck)
    feel = [float(v) for v in state.emotion]
    bend = (
        -0.012
        - 0.085 * feel[1]
        + 0.07 * feel[2]
        + 0.03 * feel[4]
        + 0.045 * feel[5]
        + 0.03 * feel[6]
    )
    thin = 1.0 - 0.35 * min(gap / 0.25, 1.0) * (1.0 - rounding)
    return MouthShape(
        y=who.mouth_y + 0.02 * (feel[6] - feel[5]),
        half_width=who.mouth_width * float(state.stretch) * (1.0 - 0.36 * rounding),
        gap_up=0.26 * gap,
        gap_down=0.74 * gap,
        upper=who.lip_upper * (1.0 + 0.25 * rounding) * thin,
        lower=who.lip_lower * (1.0 + 0.25 * rounding - 0.6 * tuck) * thin,
        bend=bend + 0.30 * jaw,
        skew=-0.05 * feel[7],
        power=0.75 - 0.25 * rounding,
        jaw=jaw,
        bulge=rounding,
    )


def mouth_truth(who: Identity, state: FaceState) -> np.ndarray:
    """(opening, width) of the drawn mouth over the outer-eye-corner distance."""
    shape = mouth_shape(who, state)
    values = (shape.gap_up + shape.gap_down, 2.0 * shape.half_width)
    return np.array(values, np.float32) / np.float32(who.eye_corner_distance)


@dataclass(frozen=True, kw_only=True)
class EyeShape:
    """Both eyes' lids in head units; u runs from -1 at the nose to 1 at the temple.

    Upper edge y = tilt u - up (1 - u^2)^0.75, lower edge y = tilt u + down (1 - u^2).
    """

    x: float
    half_width: float
    tilt: float
    up: float
    down: float
    up_open: float

    def upper(self, u):
        """Height of the upper lid's edge."""
        return self.tilt * u - self.up * np.maximum(1.0 - u**2, 0.0) ** 0.75

    def lower(self, u):
        """Height of the lower lid's edge."""
        return self.tilt * u + self.down * np.maximum(1.0 - u**2, 0.0)


def eye_shape(who: Identity, state: FaceState) -> EyeShape:
    """Lids of one instant: emotion widens or narrows the eyes a little, a blink closes them."""
    feel = [float(v) for v in state.emotion]
    wide = 1.0 + 0.40 * feel[3] + 0.32 * feel[4] - 0.18 * feel[1] - 0.16 * feel[6] - 0.24 * feel[5]
    look_down = float(clamp(state.gaze[1], -0.3, 0.4))
    up_open = who.eye_height * (wide - 0.55 * look_down)
    down_open = 0.55 * who.eye_height * (1.0 - 0.25 * feel[1])
    blink = float(clamp(state.blink, 0.0, 1.0))
    down = down_open * (1.0 - 0.25 * blink)
    up = up_open * (1.0 - blink) - down * blink
    return EyeShape(
        x=who.eye_spacing,
        half_width=who.eye_width,
        tilt=-who.eye_tilt,
        up=up,
        down=down,
        up_open=up_open,
    )


def brow_height(who: Identity, state: FaceState, u):
    """Height of the brow's middle line at u, -1 at the nose to 1 at the temple."""
    feel = [float(v) for v in state.emotion]
    lift = 0.035 * float(state.brow_raise) + 0.075 * feel[3] + 0.04 * feel[4]
    inner = (
        0.055 * feel[2]
        + 0.055 * feel[4]
        - 0.06 * feel[6]
        - 0.035 * feel[5]
        - 0.03 * float(state.brow_frown)
    )
    return (
        who.brow_y
        - lift
        - who.brow_arch * (1.0 - (u - 0.25) ** 2)
        - inner * clamp(0.5 - u, 0.0, 1.5) / 1.5
    )


def jaw_map(who: Identity, jaw: float, y):
    """Where rest heights y go when the chin drops by `jaw`: all of it from the lower lip down."""
    t = clamp((y - (who.mouth_y - 0.03)) / 0.13, 0.0, 1.0)
    return y + jaw * (t * t * (3.0 - 2.0 * t))
