"""Whose weights a number's scale belongs to: own SyncNets, the published one, CAPP.

Numbers of different weights are different measurements, also where both are called S_C.
"""

from collections.abc import Mapping
from dataclasses import replace

from vasa.evaluation.results import ResultRow

ROLES = {"sync": "syncnet", "capp": "capp"}
"""Networks whose weights decide a scale, by what a metric's name begins with."""
SYNC_UNITS = ("S_C", "S_D")
"""Units that have a scale for each kind of weights."""
NOTES = {
    "own": "own SyncNet, no published scale",
    "official": "published SyncNet and procedure, on this project's crops",
}


def role_of(row: ResultRow) -> str | None:
    """The network whose weights are the number's scale; None where it is the measuring expert's."""
    return "features" if "features" in row.stamp else role_of_metric(row.metric)


def role_of_metric(metric: str) -> str | None:
    """The same by the name alone: syncnet, capp, or None."""
    protocol, name = metric.split("/", 1)[0], metric.rsplit("/", 1)[-1]
    for start, role in ROLES.items():
        if start == protocol or name.startswith(start):
            return role
    return None


def named(row: ResultRow, weights: Mapping[str, str]) -> ResultRow:
    """The row with the weights of its scale in its stamp, and their kind in unit and note.

    Args:
        row: of a protocol, S_C and S_D without a kind.
        weights: by role, such as `own:1a2b3c4d` or `official:1a2b3c4d`.
    """
    role = role_of(row)
    if role is None or role not in weights:
        return row
    row = replace(row, stamp=row.stamp | {role: weights[role]})
    if row.unit not in SYNC_UNITS:
        return row
    kind = weights[role].split(":")[0]
    note = "; ".join(filter(None, (row.note.removesuffix("; "), NOTES[kind])))
    return replace(row, unit=f"{row.unit}({kind})", note=note)
