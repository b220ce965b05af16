"""Result rows as text: on the console, in Markdown, and as cells for the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vasa.evaluation.report.controls import is_asked_row
from vasa.evaluation.report.leakage import is_cell as is_leakage_cell
from vasa.evaluation.results import ResultRow

GROUPS: tuple[tuple[str, str, str], ...] = (
    (
        "self_reenactment",
        "Self-reenactment",
        "The first frame of a held-out clip, driven by the clip's other frames. The driver itself "
        "is the picture to be met; the control copies the source frame.",
    ),
    (
        "cross_reenactment",
        "Cross-reenactment",
        "A held-out person's picture, driven by another held-out person's clip. Pose, mouth and "
        "identity are measured again in the generated frames.",
    ),
    (
        "swap",
        "Pose and dynamics apart",
        "Only the pose, or only the dynamics, taken from the driver: does each code move its own "
        "part and leave the other alone?",
    ),
    (
        "disentanglement",
        "Disentanglement",
        "Held-out people drawn in states whose factors are independent, and again with one factor "
        "changed. One code of the changed picture is swapped into the other; leakage is what moves "
        "and should not, in units of the measured factor's own change: 0 is none, 1 is as much as "
        "if that factor itself had been changed.",
    ),
    (
        "probe",
        "Probes of the codes",
        "Regression from a code to ground truth, scored on held-out people. z_dyn should tell "
        "mouth, blink and gaze (R2 high), and neither pose nor person (R2 low).",
    ),
    (
        "generated",
        "Talking video",
        "A held-out person's first frame speaks a held-out sentence. Nothing is taken from the "
        "generator: the mouth is measured again in its frames.",
    ),
    (
        "control",
        "Controls",
        "Gaze, head distance and emotion swept over their range: what the frames show against what "
        "was asked, with the control's own guidance and without. Rows with expert_ say what the "
        "measuring experts make of real frames.",
    ),
    (
        "diversity",
        "Diversity",
        "Several samples of one audio: variance between them over variance over time. Lips should "
        "agree, head, gaze, blinks and brows may differ.",
    ),
    (
        "sync",
        "Lip sync (own SyncNet)",
        "Distance of lips and sound over time shifts. The scorer is the project's own small "
        "SyncNet, so its values have no published scale.",
    ),
    (
        "methods",
        "Methods on the same clips",
        "Real clips, our videos, simple stand-ins that anyone can make, and other methods' videos "
        "from a folder, scored alike.",
    ),
    (
        "ranking",
        "Which scores can be believed",
        "1 where a score puts methods in the order that is known beforehand, 0 where it does not.",
    ),
    (
        "reencoding",
        "What the codec does to the scores",
        "Real clips written and read once more: a score that differs by less than this may differ "
        "by the file alone.",
    ),
    (
        "expert",
        "Calibration of the measuring expert",
        "The instrument on the clips' own frames against their labels: no re-measured number above "
        "can be better than this.",
    ),
    (
        "capp",
        "Head motion and sound (own CAPP)",
        "Cosine of head motion and sound. The scorer is the project's own network, so its values "
        "have no published scale.",
    ),
)

HEADLINES: dict[str, str] = {
    "self_reenactment/psnr": "Self-reenactment PSNR",
    "self_reenactment/psnr_mouth": "… in the mouth region",
    "self_reenactment/ssim": "Self-reenactment SSIM",
    "cross_reenactment/pose_error": "Cross-reenactment pose error",
    "cross_reenactment/mouth_correlation": "Cross-reenactment mouth",
    "cross_reenactment/identity_similarity": "Cross-reenactment identity",
    "disentanglement/pose_error_deg": "Independent states: pose error",
    "disentanglement/mouth_correlation": "Independent states: mouth",
    "disentanglement/gaze_correlation": "Independent states: gaze",
    "disentanglement/leakage_mean": "Mean leakage",
    "generated/mouth_correlation": "Talking video: mouth with audio",
    "generated/closure_rate": "… lips closed at p, b, m",
    "generated/pose_variation_ratio": "Head motion over real",
    "generated/sync_ratio": "SyncNet confidence over real",
    "control/gaze_correlation": "Gaze obeys",
    "control/distance_correlation": "Head distance obeys",
    "control/emotion_correlation": "Emotion obeys",
    "diversity/lips_share": "Lips differ between samples",
    "diversity/head_share": "Heads differ between samples",
    "sync/real_offset_accuracy": "SyncNet finds the true offset",
    "sync/generated_confidence": "SyncNet confidence, generated",
    "capp/synthetic_shift_0": "CAPP, real pairs",
}


@dataclass(frozen=True, kw_only=True)
class RowCells:
    """One row as text."""

    metric: str
    direction: str
    value: str
    interval: str
    control: str
    control_name: str
    split: str
    n: str
    unit: str
    verdict: str
    criteria: list[dict[str, Any]]
    is_passed: bool | None
    note: str


def number(value: float | None, unit: str = "") -> str:
    """A number with as many digits as its unit deserves; an em dash where there is none."""
    if value is None or not math.isfinite(value):
        return "—"
    digits = {"dB": 2, "deg": 2, "deg/frame": 3}.get(unit, 3)
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.removeprefix("-")
    return text.replace("-", "−")


def cells(row: ResultRow) -> RowCells:
    """A row's numbers as text."""
    is_passed = None
    if row.criteria:
        is_passed = all(criterion["passed"] for criterion in row.criteria)
    verdicts = [
        f"{'met' if criterion['passed'] else 'NOT met'}: {criterion['text']}"
        for criterion in row.criteria
    ]
    direction = {True: "↑", False: "↓", None: ""}[row.higher_is_better]
    interval = f"{number(row.ci_low, row.unit)} … {number(row.ci_high, row.unit)}"
    return RowCells(
        metric=row.metric,
        direction=direction,
        value=number(row.value, row.unit),
        interval=interval,
        control=number(row.control, row.unit),
        control_name=row.control_name if row.control is not None else "",
        split=row.split,
        n=str(row.n) if row.n_people is None else f"{row.n} of {row.n_people} people",
        unit=row.unit,
        verdict="; ".join(verdicts),
        criteria=row.criteria,
        is_passed=is_passed,
        note=row.note,
    )


def is_cell(row: ResultRow) -> bool:
    """Whether a row stands in a table of its own rather than in a list."""
    return is_leakage_cell(row) or is_asked_row(row) or is_of_a_setting(row)


def is_of_a_setting(row: ResultRow) -> bool:
    """Whether a row is one of several guidance settings; table 5 holds them all."""
    return "lambda_audio" in row.stamp


def grouped(rows: Sequence[ResultRow]) -> list[tuple[str, str, list[ResultRow]]]:
    """Title, explanation and rows of each group that has rows; the unknown come last.

    Cells are left to `matrix_facts` and `asked_facts`.
    """
    rows = [row for row in rows if not is_cell(row)]
    found = [
        (title, text, [row for row in rows if row.metric.split("/")[0] == prefix])
        for prefix, title, text in GROUPS
    ]
    known = {prefix for prefix, _, _ in GROUPS}
    found.append(
        ("Further numbers", "", [row for row in rows if row.metric.split("/")[0] not in known])
    )
    return [group for group in found if group[2]]


def console_table(rows: Sequence[ResultRow]) -> str:
    """Metric, value, control and verdict of every row in aligned columns; no cells of matrices."""
    rows = [row for row in rows if not is_cell(row)]
    lines = [("metric", "value", "unit", "control", "", "n")]
    for row in rows:
        cell = cells(row)
        mark = {True: "met", False: "NOT MET", None: ""}[cell.is_passed]
        lines.append((row.metric, cell.value, cell.unit, cell.control, mark, cell.n))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    right = (1, 3, 5)
    return "\n".join(
        "  ".join(
            word.rjust(width) if column in right else word.ljust(width)
            for column, (word, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def markdown_table(rows: Sequence[ResultRow]) -> str:
    """A group's rows as a Markdown table."""
    header = ("metric", "value", "95% CI", "control", "control is", "split", "n", "unit", "judged")
    lines = [f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}"]
    for row in rows:
        cell = cells(row)
        words = (
            f"`{cell.metric}` {cell.direction}".strip(),
            f"**{cell.value}**",
            cell.interval,
            cell.control,
            cell.control_name,
            cell.split,
            cell.n,
            cell.unit,
            cell.verdict,
        )
        lines.append("| " + " | ".join(word.replace("|", "\\|") for word in words) + " |")
    return "\n".join(lines)
