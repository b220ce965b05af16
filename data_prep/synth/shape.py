"""The head's rest surface as tables over frontal head coordinates (x right, y down).

A head is a stack of ellipses, one a height y, centre (0, z0(y)), half axes a(y), c(y), whose front
is pushed by a height field H(x, y): nose, sockets, brow ridge, lips' mound, chin. In implicit form
    F(x, y, z) = (x / a)^2 + ((z - z0 - H) / c)^2 - 1,   z = -1 is towards the viewer.
Everything constant for a person is made here once; a frame only looks it up.
"""

from dataclasses import dataclass

import numpy as np

from data_prep.synth.identity import Identity

GRID = 384
X_RANGE = 0.78
Y_TOP, Y_BOTTOM = -0.95, 1.05
CROWN, CHIN = -0.82, 0.78
_JAW_Y = 0.48
CRANIUM_Y, CRANIUM_Z, CRANIUM_RADII = -0.20, 0.02, (0.592, 0.62, 0.675)


@dataclass(frozen=True, kw_only=True)
class HeadTables:
    """Tables of one person; rows run over y, columns over x.

    Attributes:
        profile: a(y), c(y), z0(y), and how far y is beyond crown or chin, `g 4`.
        height: H, `g g`.
        surface: rest normal (3), albedo (3), gloss, `g*g 7`.
        fine: hair-like noise along x, `g g` in [-1, 1].
    """

    profile: np.ndarray
    height: np.ndarray
    surface: np.ndarray
    fine: np.ndarray

    def profile_at(self, y: np.ndarray) -> np.ndarray:
        """a, c, z0 at heights `n`, `3 n`."""
        rows = np.linspace(Y_TOP, Y_BOTTOM, GRID)
        return np.stack([np.interp(y, rows, self.profile[:, i]) for i in range(3)])

    def front(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Depths z of the rest surface's front at points `n`."""
        a, c, z0 = self.profile_at(y)
        row = (y - Y_TOP) / (Y_BOTTOM - Y_TOP) * (GRID - 1)
        column = (x + X_RANGE) / (2 * X_RANGE) * (GRID - 1)
        cells = np.clip(np.rint(np.stack([row, column])), 0, GRID - 1).astype(int)
        root = np.sqrt(np.maximum(1.0 - (x / a) ** 2, 0.0))
        return z0 + self.height[cells[0], cells[1]] - c * root


def clamp(x, low: float, high: float):
    """np.clip without its overhead, which counts at a few thousand pixels."""
    return np.minimum(np.maximum(x, low), high)


def smoothstep(x, low: float, high: float):
    """0 below `low`, 1 above `high`, smooth between."""
    t = clamp((x - low) * (1.0 / (high - low)), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _bump(x, y, *, at: tuple[float, float], size: tuple[float, float]):
    return np.exp(-(((x - at[0]) / size[0]) ** 2) - ((y - at[1]) / size[1]) ** 2)


def _smooth_noise(rng: np.random.Generator, *, cells: tuple[int, int]) -> np.ndarray:
    """Smooth noise on the grid in about [-1, 1], with this many cells down and across."""
    from scipy.ndimage import zoom

    coarse = rng.uniform(-1, 1, (cells[0] + 3, cells[1] + 3))
    fine = zoom(coarse, ((GRID + 8) / coarse.shape[0], (GRID + 8) / coarse.shape[1]), order=3)
    return fine[:GRID, :GRID].astype(np.float32)


def _profile(who: Identity, y: np.ndarray) -> np.ndarray:
    """Half width, half depth and depth of the centre at each height, smooth through a few knots."""
    from scipy.interpolate import PchipInterpolator

    wide = who.face_width
    chin = CHIN + who.chin_length
    jaw = wide * who.jaw_width
    knots = [
        # y, a, c, z0; the first continues the cranium's ellipsoid
        (CRANIUM_Y - 0.001, CRANIUM_RADII[0], CRANIUM_RADII[2], 0.02),
        (CRANIUM_Y + 0.001, CRANIUM_RADII[0], CRANIUM_RADII[2], 0.02),
        (0.0, wide + 0.005, 0.665, 0.01),
        (0.18, wide * 0.985, 0.64, 0.0),
        (0.34, 0.50 * wide + 0.47 * jaw, 0.60, -0.02),
        (_JAW_Y, 0.93 * jaw, 0.53, -0.07),
    ]
    # below the jaw's corner both axes close like an ellipse, blunter for a wide chin
    power = 1.3 + 7.5 * (who.chin_width - 0.2)
    for t in (0.15, 0.3, 0.45, 0.6, 0.72, 0.82, 0.9, 0.96, 1.0):
        front, behind = -0.60 + 0.08 * t, 0.46 - 0.74 * t**1.2
        half = 0.5 * (behind - front) * (1.0 - t**6) ** 0.5
        width = 0.93 * jaw * (1.0 - t**power) ** 0.6
        knots.append((_JAW_Y + t * (chin - _JAW_Y), width, half, front + half))
    columns = np.array(knots).T
    fit = [PchipInterpolator(columns[0], c) for c in columns[1:]]
    shape = np.stack([f(np.clip(y, CRANIUM_Y, chin)) for f in fit], -1)
    up = np.clip((CRANIUM_Y - y) / CRANIUM_RADII[1], 0.0, 1.0)
    shape[:, :2] = np.maximum(shape[:, :2] * np.sqrt(1.0 - up**2)[:, None], 0.012)
    beyond = np.maximum(np.maximum(CROWN - y, y - chin + 0.018), 0.0)
    return np.concatenate([shape, beyond[:, None]], -1)


def _height(who: Identity, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """H(x, y): negative stands out towards the viewer."""
    side = np.abs(x)
    tip = who.nose_length
    # nose: a ridge that rises to the tip and breaks off below it
    along = smoothstep(y, -0.14, tip)
    ridge = (
        who.nose_bridge * smoothstep(y, -0.22, -0.04)
        + (who.nose_height - who.nose_bridge) * along**1.6
    )
    ridge = ridge * (1.0 - smoothstep(y, tip + 0.005, tip + 0.10))
    half = 0.052 + 0.028 * along + 0.1 * who.nose_width * along
    out = ridge * np.exp(-((side / half) ** 2) * 0.8)
    out = out + 0.035 * _bump(side, y, at=(0.0, tip - 0.005), size=(0.055, 0.045))
    wing = _bump(side, y, at=(who.nose_width * 0.82, tip + 0.02), size=(0.036, 0.042))
    out = out + 0.085 * wing
    out = out + 0.026 * _bump(side, y, at=(0.17, -0.125), size=(0.17, 0.06)) * (0.5 + who.masculine)
    socket = _bump(side, y, at=(who.eye_spacing - 0.005, -0.005), size=(0.135, 0.075))
    out = out - 0.055 * socket
    out = out + 0.03 * (0.4 + who.cheek) * _bump(side, y, at=(0.30, 0.20), size=(0.15, 0.13))
    out = out - 0.02 * (1 - who.cheek) * _bump(side, y, at=(0.34, 0.45), size=(0.12, 0.14))
    out = out + 0.045 * _bump(side, y, at=(0.0, who.mouth_y), size=(0.20, 0.12))
    out = out - 0.012 * _bump(side, y, at=(0.0, who.mouth_y - 0.085), size=(0.022, 0.045))
    chin = CHIN + who.chin_length
    out = out - 0.02 * _bump(side, y, at=(0.0, who.mouth_y + 0.11), size=(0.13, 0.035))
    out = out + 0.045 * _bump(side, y, at=(0.0, chin - 0.09), size=(0.13, 0.08))
    out = out + 0.012 * _bump(side, y, at=(0.0, -0.36), size=(0.32, 0.18))
    # the front of a face is flatter than an ellipse
    out = out + 0.05 * _bump(side, y, at=(0.36, 0.08), size=(0.16, 0.3))
    return -out


def _albedo(who: Identity, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Skin colour with blush, freckles, beard and the shade that gathers in hollows, `g g 3`."""
    side = np.abs(x)
    skin = np.array(who.skin, np.float32)
    colour = np.broadcast_to(skin, (*x.shape, 3)).copy()
    colour *= 1.0 + 0.03 * _smooth_noise(rng, cells=(9, 9))[..., None]
    red = (0.35 + 0.65 * who.blush) * _bump(side, y, at=(0.33, 0.22), size=(0.13, 0.10))
    red = red + 0.5 * _bump(side, y, at=(0.0, who.nose_length), size=(0.09, 0.06))
    colour *= 1.0 - red[..., None] * np.array([0.01, 0.10, 0.09])
    if who.freckles > 0:
        spots = _smooth_noise(rng, cells=(60, 55))
        on = _bump(side, y, at=(0.2, 0.15), size=(0.26, 0.14)) * smoothstep(spots, 0.35, 0.7)
        colour *= 1.0 - 0.3 * who.freckles * on[..., None] * np.array([0.6, 1.0, 1.1])
    lower = smoothstep(y, who.mouth_y - 0.16, who.mouth_y - 0.06)
    cheeks = smoothstep(y, 0.05, 0.3) * smoothstep(side, 0.36, 0.48)
    patch = np.maximum(lower * smoothstep(y + 0.35 * side, 0.36, 0.46), cheeks)
    above = _bump(side, y, at=(0.0, who.mouth_y - 0.16), size=(0.07, 0.05))
    patch = patch * (1.0 - above)
    rough = 0.75 + 0.25 * _smooth_noise(rng, cells=(90, 120))
    amount = np.clip(patch * (0.28 * who.stubble + 0.92 * who.beard * rough), 0, 0.95)[..., None]
    colour = colour * (1 - amount) + np.array(who.brow_colour) * 0.9 * amount
    # hollows gather shade: sockets, beside the nose, under it, under the lip
    tip = who.nose_length
    shade = 0.20 * _bump(side, y, at=(who.eye_spacing - 0.05, -0.055), size=(0.12, 0.04))
    shade += 0.16 * _bump(side, y, at=(who.eye_spacing, 0.085), size=(0.11, 0.022))
    shade += 0.12 * _bump(side, y, at=(0.0, tip + 0.085), size=(who.nose_width * 1.1, 0.03))
    shade += 0.18 * _bump(side, y, at=(who.nose_width * 1.3, tip + 0.03), size=(0.026, 0.045))
    fold = side - (who.nose_width * 1.35 + 0.55 * (y - tip))
    along = smoothstep(y, tip, tip + 0.05) * (
        1 - smoothstep(y, who.mouth_y - 0.06, who.mouth_y + 0.03)
    )
    shade += 0.13 * along * np.exp(-((fold / 0.022) ** 2))
    shade += 0.16 * _bump(
        side, y, at=(0.0, who.mouth_y + who.lip_lower + 0.045), size=(0.12, 0.022)
    )
    nostril = _bump(side, y, at=(who.nose_width * 0.48, tip + 0.055), size=(0.026, 0.014))
    colour *= 1.0 - np.clip(shade, 0, 0.6)[..., None] * np.array([0.85, 1.0, 1.0])
    return colour * (1.0 - 0.6 * np.clip(1.2 * nostril, 0, 1)[..., None])


def make_tables(who: Identity) -> HeadTables:
    """All tables of one person."""
    rng = np.random.default_rng([who.texture_seed, 1])
    ys = np.linspace(Y_TOP, Y_BOTTOM, GRID)
    xs = np.linspace(-X_RANGE, X_RANGE, GRID)
    y, x = np.meshgrid(ys, xs, indexing="ij")
    profile = _profile(who, ys)
    a, c, z0, _ = (profile[:, i : i + 1] for i in range(4))
    inside = np.clip(1.0 - (x / a) ** 2, 0.0, 1.0)
    height = _height(who, x, y) * smoothstep(inside, 0.0, 0.45)
    root = np.sqrt(np.maximum(inside, 1e-3))
    step_y, step_x = ys[1] - ys[0], xs[1] - xs[0]
    height_y, height_x = np.gradient(height, step_y, step_x)
    a_y, c_y, z0_y = (np.gradient(v, step_y, axis=0) for v in (a, c, z0))
    # the normal of the front: the gradient of F at z = z0 + H - c root
    normal_x = 2 * x / a**2 + 2 * root / c * height_x
    normal_y = (
        2 * root / c * (z0_y + height_y) - 2 * (1 - root**2) * a_y / a - 2 * root**2 * c_y / c
    )
    normal_z = -2 * root / c
    normal = np.stack([normal_x, normal_y, normal_z], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    gloss = 0.3 + 0.6 * _bump(np.abs(x), y, at=(0.0, who.nose_length - 0.02), size=(0.05, 0.08))
    gloss = gloss + 0.25 * _bump(np.abs(x), y, at=(0.0, -0.35), size=(0.3, 0.12))
    gloss = gloss * (
        1.0 - smoothstep(y, CHIN + who.chin_length - 0.08, CHIN + who.chin_length - 0.03)
    )
    surface = np.concatenate([normal, _albedo(who, x, y, rng), gloss[..., None]], -1)
    fine = np.clip(
        _smooth_noise(rng, cells=(14, 110)) + 0.5 * _smooth_noise(rng, cells=(50, 190)), -1, 1
    )
    return HeadTables(
        profile=profile.astype(np.float32),
        height=height.astype(np.float32),
        surface=np.ascontiguousarray(surface.reshape(-1, 7).astype(np.float32)),
        fine=fine.astype(np.float32),
    )
