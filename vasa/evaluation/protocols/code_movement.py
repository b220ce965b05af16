"""How far each code of the encoder moves when one factor of the picture changes alone."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vasa.evaluation.metrics.clip_metric import MeanOverClips
from vasa.evaluation.protocols.leakage import CARRIED_BY, CODES
from vasa.evaluation.protocols.probes import RANDOM
from vasa.evaluation.results import Bootstrap, ResultRow
from vasa.types import FaceLatents

VECTORS = ("z_id", "z_pose", "z_dyn")


def over_people(values: Tensor) -> MeanOverClips:
    """A mean of one number a person, `people`."""
    metric = MeanOverClips()
    for value in values:
        metric.update(value)
    return metric


def code_vectors(latents: dict[str, FaceLatents]) -> dict[str, dict[str, Tensor]]:
    """The codes that are vectors, `b k`, by code and changed factor."""
    return {
        code: {name: getattr(values, code).float().cpu() for name, values in latents.items()}
        for code in VECTORS
    }


def encoder_rows(
    vectors: Sequence[dict[str, dict[str, Tensor]]],
    random_vectors: Sequence[dict[str, dict[str, Tensor]]],
    bootstrap: Bootstrap,
    split: str,
) -> list[ResultRow]:
    """Rows `disentanglement/encoder/<from>_<code>`.

    Args:
        vectors: of each person, see `code_vectors`.
        random_vectors: the same of the network with random weights.
        bootstrap: how intervals are made.
        split: of the people.
    """
    rows = []
    for code in VECTORS:
        values, control = (
            code_movement([person[code] for person in people])
            for people in (vectors, random_vectors)
        )
        rows += [
            bootstrap.row(
                metric=f"disentanglement/encoder/{changed}_{code}",
                measured=over_people(values[changed]),
                control=over_people(control[changed]),
                control_name=RANDOM,
                split=split,
                unit="share",
                higher_is_better=None if _holds(code, changed) else False,
                note=f"how far {code} moves when {changed} alone changes, of the distance between "
                "two pictures drawn at random",
            )
            for changed in CARRIED_BY
        ]
    return rows


def _holds(code: str, factor: str) -> bool:
    """Whether a code should move with a factor."""
    return code in CODES[CARRIED_BY[factor]]


def code_movement(people: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """RMS step of a code for each changed factor, over the RMS distance of random pictures.

    Args:
        people: for each person the code `b k` of the bases (`base`) and by changed factor.

    Returns:
        By changed factor a number a person, `people`; 0 where the code never varies.
    """
    every = torch.cat([values for person in people for values in person.values()]).double()
    std = every.std(dim=0, correction=0)
    std = torch.where(std > 1e-8, std, torch.inf)
    num_live = max(int(std.isfinite().sum()), 1)

    def step(person: dict[str, Tensor], changed: str) -> Tensor:
        moved = (person[changed].double() - person["base"].double()) / std
        # Two independent draws of a standardised code are sqrt(2 k) apart.
        return (moved.square().sum(dim=-1) / (2 * num_live)).mean().sqrt()

    return {
        changed: torch.stack([step(person, changed) for person in people])
        for changed in people[0]
        if changed != "base"
    }
