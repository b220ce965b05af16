"""One factor changed in a picture, one code swapped: what moves in the decoded face?

A base picture and one that differs from it in factor i alone are encoded. One code of the changed
picture (appearance, pose or dynamics) replaces the base's, the result is decoded, and every factor
j is read off it. The code that should carry i should move i as the truth does and nothing else;
the other codes should move nothing.

    error_ij(code) = | (m_j(swapped) - m_j(base decoded)) - (truth_j(changed) - truth_j(base)) |

with the truth's difference taken as 0 where the code should not carry i. Differences of readings,
so that what the decoder gets wrong of the base itself does not count.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.counterfactuals import Counterfactuals
from vasa.evaluation.measuring import Instrument, measure
from vasa.evaluation.protocols.reenactment import Autoencoder
from vasa.types import FaceLatents, FaceMeasurements

CODES: dict[str, tuple[str, ...]] = {
    "appearance": ("app_volume", "z_id"),
    "pose": ("z_pose",),
    "dynamics": ("z_dyn",),
}
"""Latents that are swapped together."""

CARRIED_BY: dict[str, str] = {
    "identity": "appearance",
    "yaw": "pose",
    "pitch": "pose",
    "roll": "pose",
    "mouth": "dynamics",
    "blink": "dynamics",
    "gaze": "dynamics",
    "brows": "dynamics",
    "emotion": "dynamics",
}
"""The code that each factor should travel in (VASA-1 sec. 3.1)."""

READ: dict[str, Callable[[EvaluationClip | FaceMeasurements], Tensor]] = {
    "yaw": lambda seen: seen.pose[:, 0:1],
    "pitch": lambda seen: seen.pose[:, 1:2],
    "roll": lambda seen: seen.pose[:, 2:3],
    "mouth": lambda seen: seen.mouth[:, :1],
    "blink": lambda seen: seen.blink[:, None],
    "gaze": lambda seen: seen.gaze,
}
"""Factors `n d` with a truth in the labels; identity is read as an embedding beside them."""

MEASURED = ("identity", *READ)
RENDERED, RECONSTRUCTION = "rendered", "reconstruction"
WAYS = (*CODES, RENDERED, RECONSTRUCTION)
"""How a changed picture reaches the result; the last two take all of it: as it was rendered (the
measuring expert's own error), and encoded and decoded whole."""


@dataclass(frozen=True, kw_only=True)
class PersonLeakage:
    """One person's readings.

    Attributes:
        wanted: change of the truth by changed factor, `b d`; brows and emotion have no reading.
        moved: change of the reading by (way, changed factor, measured factor), `b d`.
    """

    wanted: dict[str, Tensor]
    moved: dict[tuple[str, str, str], Tensor]

    def error(self, way: str, changed: str, measured: str) -> Tensor:
        """Mean distance of a reading's change from where it should be, in the reading's unit."""
        moved = self.moved[way, changed, measured].double()
        is_wanted = way in (RENDERED, RECONSTRUCTION) or way == CARRIED_BY[changed]
        if is_wanted and changed == measured:
            moved = moved - self.wanted[measured].double()
        return moved.norm(dim=-1).mean()

    def wanted_size(self, factor: str) -> Tensor:
        """Mean size of the truth's change where this factor is changed."""
        return self.wanted[factor].double().norm(dim=-1).mean()


def readings(seen: FaceMeasurements) -> dict[str, Tensor]:
    """Every measured factor, `n d`."""
    return {"identity": seen.identity, **{name: read(seen) for name, read in READ.items()}}


def encode_all(net: Autoencoder, images: Tensor, *, batch_size: int) -> FaceLatents:
    """Latents of many pictures `n c h w`."""
    return _joined([net.encode(batch) for batch in images.split(batch_size)])


def _joined(parts: Sequence[FaceLatents]) -> FaceLatents:
    return FaceLatents(
        **{
            item.name: torch.cat([getattr(part, item.name) for part in parts])
            for item in fields(FaceLatents)
        }
    )


def _rows(latents: FaceLatents, rows: slice) -> FaceLatents:
    return FaceLatents(**{i.name: getattr(latents, i.name)[rows] for i in fields(FaceLatents)})


def _decode_all(net: Autoencoder, latents: FaceLatents, *, batch_size: int) -> Tensor:
    starts = range(0, len(latents.z_pose), batch_size)
    parts = [net.decode(_rows(latents, slice(at, at + batch_size))) for at in starts]
    return torch.cat(parts).clamp(0, 1)


def swapped(base: FaceLatents, other: FaceLatents, code: str) -> FaceLatents:
    """`base` with one code of `other`."""
    return replace(base, **{name: getattr(other, name) for name in CODES[code]})


def person_leakage(
    *,
    autoencoder: Autoencoder,
    instrument: Instrument,
    person: Counterfactuals,
    latents: Mapping[str, FaceLatents],
    batch_size: int,
) -> PersonLeakage:
    """Swaps every code for every changed factor of one person and reads the results.

    Args:
        autoencoder: stage 1.
        instrument: the measuring expert.
        person: the pictures.
        latents: of the bases (`base`) and of the pictures with each factor changed, `b ...` each.
        batch_size: pictures at once.
    """
    clip, bases = person.clip, person.bases

    def read(images: Tensor) -> dict[str, Tensor]:
        return readings(measure(instrument, images, batch_size=batch_size))

    def decoded(ways: dict[str, FaceLatents]) -> dict[str, dict[str, Tensor]]:
        frames = _decode_all(autoencoder, _joined(list(ways.values())), batch_size=batch_size)
        parts = frames.split(len(bases))
        return {way: read(part) for way, part in zip(ways, parts, strict=True)}

    base = latents["base"]
    before_rendered, before = read(clip.images(bases)), decoded({"base": base})["base"]
    wanted, moved = {}, {}
    for changed, indices in person.changed.items():
        swaps = {code: swapped(base, latents[changed], code) for code in CODES}
        after = decoded({RECONSTRUCTION: latents[changed], **swaps})
        after[RENDERED] = read(clip.images(indices))
        for way, seen in after.items():
            reference = before_rendered if way == RENDERED else before
            for measured in MEASURED:
                moved[way, changed, measured] = seen[measured] - reference[measured]
        if changed == "identity":
            wanted[changed] = moved[RENDERED, changed, changed]
        elif changed in READ:
            truth = READ[changed](clip)
            wanted[changed] = truth[indices] - truth[bases]
    return PersonLeakage(wanted=wanted, moved=moved)


def encode_person(
    net: Autoencoder, person: Counterfactuals, *, batch_size: int
) -> dict[str, FaceLatents]:
    """Latents of a person's bases (`base`) and of the pictures with each factor changed."""
    groups: Sequence[tuple[str, Tensor]] = (("base", person.bases), *person.changed.items())
    images = person.clip.images(torch.cat([indices for _, indices in groups]))
    latents = encode_all(net, images, batch_size=batch_size)
    starts = range(0, len(images), len(person.bases))
    return {
        name: _rows(latents, slice(start, start + len(indices)))
        for start, (name, indices) in zip(starts, groups, strict=True)
    }
