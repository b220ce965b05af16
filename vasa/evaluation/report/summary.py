"""What stands first and last on the page: main numbers, caveats, and who measured."""

from collections.abc import Sequence
from typing import Any

from vasa.evaluation.report.tables import HEADLINES, cells, is_of_a_setting
from vasa.evaluation.results import ResultRow


def headlines(rows: Sequence[ResultRow]) -> list[dict[str, Any]]:
    """Cards: the judged numbers and the main ones, in the order of the table of headlines."""
    rows = [row for row in rows if not is_of_a_setting(row)]
    by_name = {row.metric: row for row in rows}
    names = [name for name in HEADLINES if name in by_name]
    names += [row.metric for row in rows if row.criteria and row.metric not in HEADLINES]
    return [
        {
            "title": HEADLINES.get(name, name),
            "cells": cells(by_name[name]),
            "criteria": by_name[name].criteria,
        }
        for name in names
    ]


def caveats(rows: Sequence[ResultRow]) -> list[str]:
    """What a reader has to know before believing a number."""
    found = []
    failed = [
        f"{row.metric} ({criterion['text']}: {cells(row).value}, control {cells(row).control})"
        for row in rows
        for criterion in row.criteria
        if not criterion["passed"]
    ]
    if failed:
        found.append("Not met: " + "; ".join(failed) + ".")
    weak = [
        f"{row.metric} {cells(row).value}"
        for row in rows
        if row.metric.startswith(("expert/", "control/expert_"))
        and row.unit == "r"
        and not row.value >= 0.8
    ]
    if weak:
        found.append(
            "The measuring expert is weak on the clips' own frames (r under 0.8) for: "
            + ", ".join(weak)
            + ". Re-measured numbers of these factors say little."
        )
    unfit = [row.metric for row in rows if row.metric.startswith("ranking/") and row.value == 0]
    if unfit:
        found.append(
            "Unfit at this size, since they do not put methods in the order that is known "
            f"beforehand: {', '.join(unfit)}. What these scores say of our videos is not known."
        )
    floors = [row for row in rows if row.metric == "disentanglement/expert_pose_error_deg"]
    if floors:
        found.append(
            f"On the rendered pictures themselves the measuring expert errs by "
            f"{cells(floors[0]).value} degrees; disentanglement/pose_error_deg holds that too."
        )
    names = {row.metric for row in rows}
    perceptual = {"self_reenactment/perceptual", "self_reenactment/lpips"}
    if "self_reenactment/psnr" in names and not perceptual & names:
        found.append(
            "No perceptual distance was measured (evaluation.perceptual=none): PSNR and SSIM "
            "alone hardly punish blur."
        )
    if any(row.metric.startswith("sync/") for row in rows):
        found.append(
            "S_C and S_D come from the project's own SyncNet, trained on the same training split "
            "and never used as a training loss; they do not compare with published values."
        )
    found.append(
        "Pictures, data, experts and sizes differ from the paper's, so no number here compares "
        "with the paper's tables."
    )
    found.append(
        "Intervals are 95% bootstrap intervals over the clips of this one run; they do not "
        "include what another training seed would change."
    )
    return found


def experts_used(rows: Sequence[ResultRow]) -> list[dict[str, str]]:
    """Name and hash of each network behind the numbers, with the protocols that used it."""
    found: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        protocol = str(row.stamp.get("protocol", row.metric.split("/")[0]))
        for expert in row.stamp.get("experts") or []:
            key = (expert["name"], expert.get("hash", expert.get("sha256", "")))
            found.setdefault(key, set()).add(protocol)
        for role, digest in (row.stamp.get("models") or {}).items():
            if role not in ("stage1", "stage2"):
                continue
            found.setdefault((f"{role} (evaluated)", digest), set())
    merged = []
    for (name, digest), protocols in found.items():
        merged.append({"name": name, "hash": digest[:16], "used": ", ".join(sorted(protocols))})
    return merged
