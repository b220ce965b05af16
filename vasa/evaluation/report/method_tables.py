"""Tables 1 and 2: methods on the same clips, the paper's numbers beside them.

Rows are those of `vasa.evaluation.protocols.methods`. FVD_25 and FID have columns where they were
measured by their own networks; no other Fréchet distance is called so.
"""

from collections.abc import Iterable, Sequence

from vasa.evaluation.report.paper_layout import NOTHING, PaperGrid
from vasa.evaluation.report.paper_numbers import PaperTable
from vasa.evaluation.report.samples import (
    Scores,
    all_rows,
    collect,
    column_head,
    estimate_text,
    judge,
    measured_on,
    paper_text,
)
from vasa.evaluation.results import ResultRow
from vasa.evaluation.scales import role_of

LABELS = {
    "sync_confidence": "S_C",
    "sync_distance": "S_D",
    "capp": "CAPP",
    "pose_variation_deg": "dP",
    "fvd_25": "FVD_25",
    "fid": "FID",
    "frechet_motion": "FD-motion",
    "frechet_frames": "FD-frames",
    "mouth_correlation": "mouth r",
    "lip_distance": "lip distance",
    "lip_velocity_error": "lip velocity error",
    "identity_similarity": "identity",
    "jitter": "jitter",
    "mouth_jitter": "mouth jitter",
}
"""Heads of columns by the name of a row `methods/<method>/<name>`."""
MAIN = {
    1: ("sync_confidence", "sync_distance", "capp", "pose_variation_deg"),
    2: (
        *("sync_confidence", "sync_distance", "capp", "pose_variation_deg"),
        *("fvd_25", "frechet_motion", "frechet_frames"),
    ),
}
IN_PAPER = {"real": "real video", "ours": "VASA-1"}
FIRST, LAST = ("real", "ours"), ("retrieval", "ridge", "random_motion", "still", "shuffled")
MINUS_OURS = "_minus_ours"
PAIRED = (
    "95% bootstrap interval and p of a two-sided sign-flip permutation test, both over clips, or "
    "over people where they have several; not corrected for the number of comparisons."
)


def method_grids(rows: Sequence[ResultRow], paper: PaperTable) -> list[PaperGrid]:
    """Table 1 or 2, what was measured beyond it, differences clip by clip, and which scores fit."""
    scores = method_scores(rows)
    if not scores:
        return []
    measured = sorted({method for found in scores.values() for method in found}, key=_place)
    known = {_in_paper(method, paper) for method in measured}
    lines = [*measured, *(name for name in paper.rows if name not in known)]
    main = [key for name in MAIN[paper.number] for key in scores if key[0] == name]
    more = [key for key in scores if key not in main]
    notes = [f"Ours: {measured_on(all_rows(scores))}.", *paper.notes]
    if paper.number == 2:
        notes += _of_distances(scores)

    def own(method: str, keys: Sequence[tuple[str, str]]) -> list[str]:
        return [estimate_text(scores[key].get(method, [])) for key in keys]

    def papers(method: str) -> list[str]:
        beside = _in_paper(method, paper)
        return [paper_text(paper.value(beside, column)) for column in paper.columns]

    grids = [
        PaperGrid(
            title=paper.heading,
            header=(
                "method",
                "clips",
                *_heads(scores, main),
                *(f"{name} paper" for name in paper.columns),
            ),
            rows=tuple(
                (
                    _label(method, paper, is_measured=method in measured),
                    _count(scores, method),
                    *own(method, main),
                    *papers(method),
                )
                for method in lines
            ),
            num_paper=len(paper.columns),
            num_labels=2,
            notes=tuple(notes),
        )
    ]
    if more:
        grids.append(
            PaperGrid(
                title=f"{paper.name}, also measured",
                header=("method", *_heads(scores, more)),
                rows=tuple((method, *own(method, more)) for method in measured),
            )
        )
    return grids + _paired(rows, title=paper.name) + _ranking(rows, title=paper.name)


def method_scores(rows: Sequence[ResultRow], *, are_differences: bool = False) -> Scores:
    """Rows `methods/<method>/<name>` by name and judge, then by method, in a fixed order.

    Args:
        rows: any.
        are_differences: those of `<name>_minus_ours`, by their name without it, or the others.
    """

    def place(row: ResultRow) -> tuple[str, str] | None:
        parts = row.metric.split("/")
        if parts[0] != "methods" or len(parts) != 3:
            return None
        if parts[2].endswith(MINUS_OURS) is not are_differences:
            return None
        return parts[2].removesuffix(MINUS_OURS), parts[1]

    order = {name: rank for rank, name in enumerate(LABELS)}
    found = collect(rows, place)
    return dict(sorted(found.items(), key=lambda item: (order.get(item[0][0], 99), item[0])))


def _of_distances(scores: Scores) -> list[str]:
    """What the distances of the table are, and of how many short clips FVD_25 is."""
    notes = ["FD is a Fréchet distance of other features than FVD's, on another scale."]
    rows = [row for key in scores if key[0] == "fvd_25" for row in all_rows({key: scores[key]})]
    return notes + list(dict.fromkeys(f"FVD_25, ours: {row.note}." for row in rows))


def _heads(scores: Scores, keys: Iterable[tuple[str, str]]) -> list[str]:
    return [column_head(scores, key, label=LABELS.get(key[0], key[0])) for key in keys]


def _paired(rows: Sequence[ResultRow], *, title: str) -> list[PaperGrid]:
    """Each method less ours on the same clips, from rows `methods/<method>/<name>_minus_ours`."""
    scores = method_scores(rows, are_differences=True)
    if not scores:
        return []
    methods = sorted({method for found in scores.values() for method in found}, key=_place)
    return [
        PaperGrid(
            title=f"{title}, less ours, clip by clip",
            header=("method", *_heads(scores, scores)),
            rows=tuple(
                (method, *(_less(found.get(method, [])) for found in scores.values()))
                for method in methods
            ),
            notes=(PAIRED,),
        )
    ]


def _less(rows: Sequence[ResultRow]) -> str:
    """The difference of a row; a dash where there is none, or several that can't be averaged."""
    if len(rows) != 1:
        return NOTHING
    (row,) = rows
    text = f"{row.value:+.3f} ({row.ci_low:+.3f} … {row.ci_high:+.3f})"
    p_value = row.stamp.get("p_value")
    return text if p_value is None else f"{text}, p {p_value:.2g}"


def _ranking(rows: Sequence[ResultRow], *, title: str) -> list[PaperGrid]:
    """Whether a score puts methods in the order that is known, from rows `ranking/<name>`."""
    found = [row for row in rows if row.metric.startswith("ranking/")]
    if not found:
        return []

    def named(row: ResultRow) -> str:
        name = row.metric.removeprefix("ranking/")
        return f"{LABELS.get(name, name)} {judge(row)}" if role_of(row) else LABELS.get(name, name)

    return [
        PaperGrid(
            title=f"{title}, which scores put methods in the order that is known",
            header=("score", "fit", "clips", "order"),
            rows=tuple(
                (named(row), "yes" if row.value == 1 else "NO", str(row.n), row.note)
                for row in found
            ),
            num_labels=4,
        )
    ]


def _place(method: str) -> tuple[int, int, str]:
    for rank, known in ((0, FIRST), (2, LAST)):
        if method in known:
            return rank, known.index(method), method
    return 1, 0, method


def _in_paper(method: str, paper: PaperTable) -> str:
    """The paper's row that a method stands beside, by name; itself where there is none."""
    same = [name for name in paper.rows if name.lower() == method.lower()]
    return IN_PAPER.get(method, same[0] if same else method)


def _label(method: str, paper: PaperTable, *, is_measured: bool) -> str:
    """A line with numbers of ours and of the paper's says whose the paper's are."""
    if not is_measured:
        return f"{method} (paper alone)"
    beside = _in_paper(method, paper)
    return f"{method} (paper: {beside})" if beside in paper.rows else method


def _count(scores: Scores, method: str) -> str:
    counts = sorted({row.n for found in scores.values() for row in found.get(method, [])})
    return NOTHING if not counts else "–".join(dict.fromkeys((str(counts[0]), str(counts[-1]))))
