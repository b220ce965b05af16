"""Who a synthetic person is: every constant of a face, drawn from (seed, person) alone.

Lengths are in head units (the head is about 1.6 units high, crown -0.82 to chin 0.78; the picture's
half size is 1 at log scale 0). Colours are RGB in [0, 1].

| parameter | range | meaning |
| --- | --- | --- |
| masculine | 0 to 1 | leans jaw, brows, stubble and voice together; not a label |
| face_width | 0.53 to 0.62 | half width at the cheekbones |
| jaw_width | 0.74 to 0.96 | half width at the mouth, as a share of face_width |
| chin_width | 0.20 to 0.34 | half width just above the chin |
| chin_length | -0.03 to 0.05 | chin lower (+) or higher |
| cheek | 0 to 1 | fullness of the cheeks |
| skin | RGB | albedo, from a curve of melanin and redness |
| blush, freckles, stubble | 0 to 1 | colour of cheeks, spots, and the beard's shadow |
| beard | 0 to 1 | 0 none, 1 full |
| hair, brow_colour | RGB | |
| hair_style | name | bald, short, fringe, parted, long, bob, afro |
| hairline | -0.55 to -0.38 | height of the hairline at the forehead |
| hair_volume | 0.9 to 1.15 | size of the hair's shell |
| hair_part | -0.35 to 0.35 | where the parting is |
| eye_spacing | 0.225 to 0.265 | x of an eye's centre |
| eye_width | 0.12 to 0.145 | half length of the eye slit |
| eye_height | 0.044 to 0.076 | height of the upper lid's arch |
| eye_tilt | -0.02 to 0.035 | outer corner higher (+) |
| iris | RGB | |
| iris_size | 0.052 to 0.062 | radius |
| nose_length | 0.29 to 0.35 | y of the tip |
| nose_height | 0.15 to 0.235 | how far the tip stands out |
| nose_width | 0.075 to 0.125 | half distance of the wings |
| nose_bridge | 0.03 to 0.09 | height of the bridge between the eyes |
| mouth_y | 0.475 to 0.515 | y of the mouth line |
| mouth_width | 0.19 to 0.245 | half width at rest |
| lip_upper, lip_lower | 0.028 to 0.06 | lip thickness |
| lips | RGB | |
| brow_y | -0.18 to -0.135 | height of the brows |
| brow_thickness | 0.012 to 0.034 | half thickness |
| brow_arch | 0.005 to 0.05 | |
| ear_size | 0.13 to 0.18 | half height |
| light | unit 3-vector | towards the light, picture axes (z < 0: from the viewer's side) |
| ambient, diffuse, specular | | strength of the three kinds of light |
| light_colour | RGB | |
| background | 2 x 2 x RGB | colours of the picture's corners, blended smoothly |
| clothes | RGB | |
| voice | name | espeak-ng voice and variant |
| voice_rate | 140 to 195 words/min | |
| voice_pitch | 30 to 75 | espeak-ng units |
| articulation | 0.94 to 1.06 | scales the opening of the mouth in speech |
"""

from dataclasses import asdict, dataclass

import numpy as np

HAIR_STYLES = ("bald", "short", "fringe", "parted", "long", "bob", "afro")
_MALE_VOICES = ("m1", "m2", "m3", "m6", "m7", "adam", "Lee", "Gene", "paul", "max", "Michael")
_FEMALE_VOICES = ("f1", "f2", "f3", "f4", "f5", "Annie", "linda", "belinda", "steph")
_ACCENTS = ("en-us", "en-us", "en", "en-gb-x-rp", "en-gb-scotland")
_HAIR_COLOURS = (
    (0.06, 0.05, 0.05),
    (0.13, 0.09, 0.07),
    (0.25, 0.16, 0.10),
    (0.40, 0.26, 0.14),
    (0.66, 0.50, 0.28),
    (0.80, 0.68, 0.45),
    (0.50, 0.20, 0.09),
    (0.60, 0.59, 0.58),
    (0.83, 0.82, 0.80),
)
_IRIS_COLOURS = (
    (0.24, 0.13, 0.06),
    (0.34, 0.20, 0.09),
    (0.42, 0.32, 0.14),
    (0.30, 0.42, 0.26),
    (0.28, 0.45, 0.62),
    (0.42, 0.50, 0.55),
)

Colour = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The constants of one person; the module's table says what each means."""

    masculine: float
    face_width: float
    jaw_width: float
    chin_width: float
    chin_length: float
    cheek: float
    skin: Colour
    blush: float
    freckles: float
    stubble: float
    beard: float
    hair: Colour
    hair_style: str
    hairline: float
    hair_volume: float
    hair_part: float
    eye_spacing: float
    eye_width: float
    eye_height: float
    eye_tilt: float
    iris: Colour
    iris_size: float
    nose_length: float
    nose_height: float
    nose_width: float
    nose_bridge: float
    mouth_y: float
    mouth_width: float
    lip_upper: float
    lip_lower: float
    lips: Colour
    brow_y: float
    brow_thickness: float
    brow_arch: float
    brow_colour: Colour
    ear_size: float
    light: Colour
    ambient: float
    diffuse: float
    specular: float
    light_colour: Colour
    background: tuple[Colour, Colour, Colour, Colour]
    clothes: Colour
    voice: str
    voice_rate: int
    voice_pitch: int
    articulation: float
    texture_seed: int

    @property
    def eye_corner_distance(self) -> float:
        """Distance of the outer eye corners in head units: the unit of the mouth's truth."""
        return 2.0 * (self.eye_spacing + self.eye_width)

    def to_dict(self) -> dict:
        """Plain values for a json member."""
        return asdict(self)


def _colour(values: np.ndarray) -> Colour:
    red, green, blue = (float(round(v, 4)) for v in np.clip(values, 0.0, 1.0))
    return (red, green, blue)


def _skin(*, melanin: float, redness: float) -> np.ndarray:
    """Albedo on a curve from fair to dark; redness shifts the hue a little."""
    knots = np.array(
        [
            [0.96, 0.80, 0.71],
            [0.90, 0.70, 0.57],
            [0.78, 0.56, 0.42],
            [0.55, 0.37, 0.26],
            [0.33, 0.21, 0.15],
        ]
    )
    at = melanin * (len(knots) - 1)
    base = np.array([np.interp(at, np.arange(len(knots)), knots[:, c]) for c in range(3)])
    return base * np.array([1.0 + 0.03 * redness, 1.0 - 0.02 * redness, 1.0 - 0.04 * redness])


def sample_identity(*, seed: int, person: int) -> Identity:
    """The person of this number: the same for every run, machine and split size."""
    rng = np.random.default_rng([seed, 11, person])
    uni = lambda low, high: float(rng.uniform(low, high))  # noqa: E731
    masculine = uni(0.0, 1.0)
    male = masculine > 0.5
    melanin, redness = float(rng.beta(1.1, 1.5)), uni(-1.0, 1.0)
    skin = _skin(melanin=melanin, redness=redness)
    weights = np.array([3, 3, 4, 4, 4, 3, 2.5, 1.5, 1]) * np.where(
        np.arange(9) < 3, 1.0, (1.0 - melanin) ** 1.5 + 0.02
    )
    hair = np.array(_HAIR_COLOURS[rng.choice(9, p=weights / weights.sum())]) * uni(0.85, 1.15)
    styles = (
        (0.12, 0.34, 0.14, 0.24, 0.04, 0.02, 0.10)
        if male
        else (0.01, 0.10, 0.14, 0.20, 0.27, 0.20, 0.08)
    )
    iris_weights = np.array([3, 3, 2, 1.2, 2, 1]) * np.where(
        np.arange(6) < 2, 1.0, (1.0 - melanin) ** 2 + 0.02
    )
    lips = skin * np.array([0.86, 0.58, 0.56]) if male else skin * np.array([0.88, 0.47, 0.48])
    lips = (
        lips
        + np.array([0.05, 0.0, 0.015])
        + rng.uniform(-0.05, 0.05, 3)
        + (0.0 if male else uni(0.0, 0.5)) * np.array([0.1, -0.08, -0.04])
    )
    azimuth, height = uni(-1.0, 1.0), uni(-0.75, -0.15)
    light = np.array(
        [np.sin(azimuth) * np.cos(height), np.sin(height), -np.cos(azimuth) * np.cos(height)]
    )
    base = rng.uniform(0.15, 0.8) * (1.0 + 0.35 * rng.uniform(-1, 1, 3))
    corners = [base * uni(0.65, 1.3) + rng.uniform(-0.06, 0.06, 3) for _ in range(4)]
    variant = rng.choice(_MALE_VOICES if male else _FEMALE_VOICES)
    beard_kind = rng.uniform() if masculine > 0.6 else 1.0
    return Identity(
        masculine=masculine,
        face_width=uni(0.535, 0.60) + 0.015 * masculine,
        jaw_width=uni(0.74, 0.86) + 0.09 * masculine,
        chin_width=uni(0.20, 0.29) + 0.05 * masculine,
        chin_length=uni(-0.03, 0.04),
        cheek=uni(0.0, 1.0),
        skin=_colour(skin),
        blush=uni(0.0, 1.0) * (1.0 - 0.6 * masculine),
        freckles=uni(0.4, 1.0) if rng.uniform() < 0.12 and melanin < 0.45 else 0.0,
        stubble=uni(0.0, 0.8) if masculine > 0.55 else 0.0,
        beard=uni(0.55, 1.0) if beard_kind < 0.35 else 0.0,
        hair=_colour(hair),
        hair_style=str(rng.choice(HAIR_STYLES, p=np.array(styles) / sum(styles))),
        hairline=uni(-0.55, -0.43),
        hair_volume=uni(0.92, 1.12),
        hair_part=uni(-0.35, 0.35),
        eye_spacing=uni(0.225, 0.265),
        eye_width=uni(0.12, 0.145),
        eye_height=uni(0.052, 0.076) - 0.008 * masculine,
        eye_tilt=uni(-0.018, 0.032),
        iris=_colour(
            np.array(_IRIS_COLOURS[rng.choice(6, p=iris_weights / iris_weights.sum())])
            * uni(0.85, 1.2)
        ),
        iris_size=uni(0.054, 0.063),
        nose_length=uni(0.285, 0.34),
        nose_height=uni(0.155, 0.225) + 0.01 * masculine,
        nose_width=uni(0.075, 0.115) + 0.008 * masculine,
        nose_bridge=uni(0.03, 0.09),
        mouth_y=uni(0.48, 0.515),
        mouth_width=uni(0.19, 0.24),
        lip_upper=uni(0.028, 0.05),
        lip_lower=uni(0.036, 0.062),
        lips=_colour(lips),
        brow_y=uni(-0.18, -0.15) + 0.012 * masculine,
        brow_thickness=uni(0.012, 0.024) + 0.009 * masculine,
        brow_arch=uni(0.008, 0.045),
        brow_colour=_colour(np.minimum(hair, 0.5) * 0.75 + 0.03 * skin),
        ear_size=uni(0.13, 0.175),
        light=tuple(float(v) for v in light),
        ambient=uni(0.42, 0.6),
        diffuse=uni(0.5, 0.72),
        specular=uni(0.04, 0.2),
        light_colour=_colour(np.array([1.0, 0.97, 0.93]) + rng.uniform(-0.04, 0.03, 3)),
        background=tuple(_colour(c) for c in corners),
        clothes=_colour(rng.uniform(0.05, 0.85) * (1.0 + 0.5 * rng.uniform(-1, 1, 3))),
        voice=f"{rng.choice(_ACCENTS)}+{variant}",
        voice_rate=int(rng.integers(140, 190)),
        voice_pitch=int(rng.integers(30, 55)) if male else int(rng.integers(45, 72)),
        articulation=uni(0.94, 1.06),
        texture_seed=int(rng.integers(1 << 31)),
    )
