"""Tables 3 and 4: CAPP where the sound is shifted, and where differences of poses are scaled."""

from collections.abc import Iterable, Sequence

from vasa.evaluation.report.paper_layout import PaperGrid
from vasa.evaluation.report.paper_numbers import PaperTable
from vasa.evaluation.report.samples import (
    difference,
    difference_text,
    estimate_text,
    judge,
    measured_on,
    paper_text,
)
from vasa.evaluation.results import ResultRow

CHANGES = {3: ("shift", "0"), 4: ("scale", "1")}
"""What tables 3 and 4 change, and its value that changes nothing."""
WHAT = {"shift": "sound shifted by (frames)", "scale": "differences of poses times"}


Kinds = dict[tuple[str, str], dict[str, list[ResultRow]]]


def capp_scores(rows: Sequence[ResultRow]) -> Kinds:
    """Rows `capp/<kind>_shift_<k>` and `capp/<kind>_scale_<x>` by kind and judge, then change."""
    found: Kinds = {}
    for row in rows:
        if not row.metric.startswith("capp/"):
            continue
        for change, _ in CHANGES.values():
            kind, mark, value = row.metric.removeprefix("capp/").partition(f"_{change}_")
            if mark:
                scores = found.setdefault((kind, judge(row)), {})
                scores.setdefault(f"{change}_{value}", []).append(row)
    return found


def measured_values(scores: Iterable[str], change: str) -> list[str]:
    """Shifts or scales among names such as `shift_4`, in order."""
    names = [name.split("_", 1) for name in scores if "_" in name]
    return sorted((value for what, value in names if what == change), key=float)


def capp_grids(rows: Sequence[ResultRow], paper: PaperTable) -> list[PaperGrid]:
    """Table 3 or 4, a pair of columns a kind of clips: the score, and what the change costs."""
    change, without = CHANGES[paper.number]
    kinds = {
        key: scores
        for key, scores in capp_scores(rows).items()
        if f"{change}_{without}" in scores and len(measured_values(scores, change)) > 1
    }
    if not kinds:
        return []
    head = [WHAT[change]]
    for kind, by in kinds:
        head += [f"CAPP {by}, {kind}", f"less {change} {without}, clip by clip"]
    values = {value for scores in kinds.values() for value in measured_values(scores, change)}
    lines = []
    for value in sorted(values | set(paper.rows), key=float):
        cells = [value]
        for scores in kinds.values():
            samples, plain = scores.get(f"{change}_{value}", []), scores[f"{change}_{without}"]
            lost = None if value == without else difference(samples, plain)
            cells += [estimate_text(samples), difference_text(lost)]
        lines.append((*cells, paper_text(paper.value(value, "CAPP"))))
    ours = [
        f"{kind.capitalize()}: {measured_on([row for found in scores.values() for row in found])}."
        for (kind, _), scores in kinds.items()
    ]
    return [
        PaperGrid(
            title=paper.heading,
            header=(*head, "CAPP paper"),
            rows=tuple(lines),
            num_paper=1,
            notes=(*ours, *paper.notes),
        )
    ]
