"""Disentanglement on pictures whose factors were set one by one (VASA-1 sec. 3.1).

Held-out synthetic people are drawn in independent states, and again with one factor changed.
Three questions: do another person's pose, mouth and gaze arrive in a result (cross-reenactment by
independent states); what else moves in the result when one factor changes and one code is swapped
(`leakage`); and how far does each code move when one factor changes (`encoder`). All but the last
is re-measured from decoded pictures; the control beside it is the measuring expert's own error on
the rendered pictures, or drivers that did not drive.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from vasa.evaluation.counterfactuals import Counterfactuals
from vasa.evaluation.measuring import Instrument, measure
from vasa.evaluation.metrics.clip_metric import ClipMetric
from vasa.evaluation.metrics.correlation import ClipCorrelation, VectorCorrelation
from vasa.evaluation.metrics.identity import IdentitySimilarity
from vasa.evaluation.metrics.pose import PoseError
from vasa.evaluation.metrics.transfer import TransferShare
from vasa.evaluation.protocols.code_movement import code_vectors, encoder_rows, over_people
from vasa.evaluation.protocols.leakage import (
    CARRIED_BY,
    CODES,
    MEASURED,
    RECONSTRUCTION,
    RENDERED,
    PersonLeakage,
    encode_person,
    person_leakage,
)
from vasa.evaluation.protocols.reenactment import Autoencoder, reenact
from vasa.evaluation.results import Bootstrap, ResultRow
from vasa.types import FaceMeasurements, InputError

OPEN_EYES = 0.5
"""Gaze is scored where blink is below it: nobody sees where closed eyes look."""

FLOOR = "the expert on the rendered pictures"


def disentanglement(
    *,
    autoencoder: Autoencoder,
    random_autoencoder: Autoencoder,
    instrument: Instrument,
    people: Sequence[Counterfactuals],
    batch_size: int,
    bootstrap: Bootstrap,
    track: Callable[[Iterable], Iterable],
) -> list[ResultRow]:
    """Rows `disentanglement/...`; intervals are over people.

    Args:
        autoencoder: stage 1.
        random_autoencoder: the same shape with random weights.
        instrument: the measuring expert.
        people: held-out people, at least two.
        batch_size: pictures at once.
        bootstrap: how intervals are made.
        track: wraps the loops over people.
    """
    if len(people) < 2:
        raise InputError(f"expected counterfactuals of at least two people, got {len(people)}")
    rows = _reenactment_rows(autoencoder, instrument, people, batch_size, bootstrap, track)
    found: list[PersonLeakage] = []
    vectors: list[dict[str, dict[str, Tensor]]] = []
    random_vectors: list[dict[str, dict[str, Tensor]]] = []
    for person in track(people):
        latents = encode_person(autoencoder, person, batch_size=batch_size)
        found.append(
            person_leakage(
                autoencoder=autoencoder,
                instrument=instrument,
                person=person,
                latents=latents,
                batch_size=batch_size,
            )
        )
        vectors.append(code_vectors(latents))
        random = encode_person(random_autoencoder, person, batch_size=batch_size)
        random_vectors.append(code_vectors(random))
    split = people[0].clip.split
    rows += _transfer_rows(found, bootstrap, split)
    rows += leakage_rows(found, bootstrap=bootstrap, split=split)
    return rows + encoder_rows(vectors, random_vectors, bootstrap, split)


def _reenactment_rows(
    autoencoder: Autoencoder,
    instrument: Instrument,
    people: Sequence[Counterfactuals],
    batch_size: int,
    bootstrap: Bootstrap,
    track: Callable[[Iterable], Iterable],
) -> list[ResultRow]:
    """The next person's picture in the independent states of each person."""
    kinds: dict[str, Callable[[], ClipMetric]] = {
        "pose_error_deg": PoseError,
        "mouth_correlation": ClipCorrelation,
        "blink_correlation": ClipCorrelation,
        "gaze_correlation": VectorCorrelation,
        "gaze_horizontal_correlation": ClipCorrelation,
        "gaze_vertical_correlation": ClipCorrelation,
    }
    driven, strangers, expert = ({name: kind() for name, kind in kinds.items()} for _ in range(3))
    to_source, to_others, rendered_source = (IdentitySimilarity() for _ in range(3))
    portraits = torch.stack([person.clip.images(person.bases[:1])[0] for person in people])
    identities = measure(instrument, portraits, batch_size=batch_size).identity
    for index, person in enumerate(track(people)):
        source = (index + 1) % len(people)
        drivers = person.clip.images(person.states)
        result = reenact(autoencoder, portraits[source], drivers, batch_size=batch_size)
        seen = measure(instrument, result, batch_size=batch_size)
        rendered = measure(instrument, drivers, batch_size=batch_size)
        _compare(driven, seen, person)
        _compare(expert, rendered, person)
        others = [place for place in range(len(people)) if place != index]
        for name, metric in strangers.items():
            with metric.one_unit():
                for place in others:
                    _compare({name: metric}, seen, people[place])
        to_source.update(seen.identity, identities[source])
        rendered_source.update(rendered.identity, identities[index])
        with to_others.one_unit():
            for place in range(len(people)):
                if place != source:
                    to_others.update(seen.identity, identities[place])
    split = people[0].clip.split
    note = "the next person's picture driven by independent states; re-measured, against the truth"
    floor = "of the measuring expert on the drivers' pictures: no result can be better"
    rows = []
    for prefix, metrics, text in (("", driven, note), ("expert_", expert, floor)):
        rows += [
            bootstrap.row(
                metric=f"disentanglement/{prefix}{name}",
                measured=metric,
                control=strangers[name],
                control_name="results against the states of every other person",
                split=split,
                unit="deg" if name == "pose_error_deg" else "r",
                note=text,
            )
            for name, metric in metrics.items()
        ]
        rows.append(
            bootstrap.row(
                metric=f"disentanglement/{prefix}identity_similarity",
                measured=rendered_source if prefix else to_source,
                control=to_others,
                control_name="results against all other people",
                split=split,
                unit="cosine",
                note=text if prefix else "embedding of the result against the source picture",
            )
        )
    return rows


def _compare(
    metrics: dict[str, ClipMetric], seen: FaceMeasurements, person: Counterfactuals
) -> None:
    """Adds readings of as many pictures as there are states, against the truth of these states."""
    clip, indices = person.clip, person.states
    is_open = clip.blink[indices] < OPEN_EYES
    gaze, truth = seen.gaze[is_open], clip.gaze[indices][is_open]
    pairs = {
        "pose_error_deg": (seen.pose, clip.pose[indices]),
        "mouth_correlation": (seen.mouth[:, 0], clip.mouth[indices, 0]),
        "blink_correlation": (seen.blink, clip.blink[indices]),
        "gaze_correlation": (gaze, truth),
        "gaze_horizontal_correlation": (gaze[:, 0], truth[:, 0]),
        "gaze_vertical_correlation": (gaze[:, 1], truth[:, 1]),
    }
    for name, metric in metrics.items():
        metric.update(*pairs[name])


def _transfer_rows(
    found: Sequence[PersonLeakage], bootstrap: Bootstrap, split: str
) -> list[ResultRow]:
    rows = []
    for factor in MEASURED:
        code = CARRIED_BY[factor]
        shares = {way: TransferShare() for way in (code, RENDERED)}
        for person in found:
            for way, metric in shares.items():
                metric.update(person.moved[way, factor, factor], person.wanted[factor])
        rows.append(
            bootstrap.row(
                metric=f"disentanglement/transfer/{factor}",
                measured=shares[code],
                control=shares[RENDERED],
                control_name=FLOOR,
                split=split,
                unit="share",
                note=f"share of the change that arrives when {code} alone is swapped; 1 is all",
            )
        )
    return rows


def leakage_rows(
    found: Sequence[PersonLeakage], *, bootstrap: Bootstrap, split: str
) -> list[ResultRow]:
    """The matrices and their means; a cell is in units of the measured factor's own change.

    `leakage/<from>_<to>` sums the errors over the swaps of all codes but for what is wanted (i
    arriving through its own code, `transfer/<i>`), so that every cell, the diagonal too, is 0 for
    a perfect stage 1. `leakage_<code>` holds one swap; `reconstruction` takes the changed picture
    as a whole.
    """
    sizes = {
        factor: torch.stack([person.wanted_size(factor) for person in found]).mean()
        for factor in MEASURED
    }

    def errors(ways: Sequence[str], changed: str, measured: str) -> Tensor:
        parts = [
            torch.stack([person.error(way, changed, measured) for person in found]) for way in ways
        ]
        total = sum(parts, start=torch.zeros(len(found), dtype=torch.float64))
        return total / sizes[measured]

    def foreign(changed: str, measured: str) -> list[str]:
        return [code for code in CODES if changed != measured or code != CARRIED_BY[changed]]

    def floor(ways: Sequence[str], changed: str, measured: str) -> Tensor:
        is_moved = RECONSTRUCTION in ways or CARRIED_BY[changed] in ways
        return errors([RENDERED] if is_moved else [], changed, measured)

    plans: dict[str, Callable[[str, str], Sequence[str]]] = {"leakage": foreign}
    plans |= {f"leakage_{code}": lambda _i, _j, code=code: [code] for code in CODES}
    plans["reconstruction"] = lambda _i, _j: [RECONSTRUCTION]
    notes = {
        "leakage": "over the swaps of all codes, but for the change that is wanted",
        "reconstruction": "the changed picture encoded and decoded whole",
    }
    cells, means = [], []
    for name, plan in plans.items():
        totals = torch.zeros(2, len(found), dtype=torch.float64)
        count = 0
        for changed in CARRIED_BY:
            for measured in MEASURED:
                ways = plan(changed, measured)
                value, control = errors(ways, changed, measured), floor(ways, changed, measured)
                is_transfer = changed == measured and name in (
                    f"leakage_{CARRIED_BY[changed]}",
                    "reconstruction",
                )
                if not is_transfer:
                    totals += torch.stack((value, control))
                    count += 1
                cells.append(
                    bootstrap.row(
                        metric=f"disentanglement/{name}/{changed}_{measured}",
                        measured=over_people(value),
                        control=over_people(control),
                        control_name=FLOOR,
                        split=split,
                        unit="share",
                        higher_is_better=False,
                        note=notes.get(name, f"{name.removeprefix('leakage_')} alone swapped"),
                    )
                )
        total, beside = (over_people(values / count) for values in totals)
        means.append(
            bootstrap.row(
                metric=f"disentanglement/{name}_mean",
                measured=total,
                control=beside,
                control_name=FLOOR,
                split=split,
                unit="share",
                higher_is_better=False,
                note=f"mean of the {count} cells of {name} in which nothing should move",
            )
        )
    return means + cells
