"""Table 5: what guidance by sound and gaze and the number of steps do, and whether as in the paper.

Rows are those of `generated`, `sync` and `capp` with `lambda_audio`, `lambda_gaze` and `steps` in
their stamps, one a sample (a seed).
"""

from collections.abc import Sequence

from vasa.evaluation.paired import PairedDifference
from vasa.evaluation.report.paper_layout import PaperGrid
from vasa.evaluation.report.paper_numbers import PaperTable
from vasa.evaluation.report.samples import (
    Scores,
    all_rows,
    collect,
    column_head,
    difference,
    estimate,
    estimate_text,
    measured_on,
    paper_text,
)
from vasa.evaluation.results import ResultRow

COLUMNS = {
    "sync/generated_confidence": "S_C",
    "sync/generated_distance": "S_D",
    "capp/generated": "CAPP",
    "generated/pose_change": "dP",
    "generated/fvd_25": "FVD_25",
    "generated/frechet_motion": "FD-motion",
    "generated/gaze_error_deg": "E_g",
    "generated/distance_error": "E_d",
}
"""Column of the table by our row; FVD_25 where I3D's file was there to measure it."""
REAL = {
    "sync/real_confidence": "S_C",
    "sync/real_distance": "S_D",
    "capp/synthetic_remeasured": "CAPP",
    "capp/real_remeasured": "CAPP",
}
BESIDE = ("generated/pose_change", "generated/frechet_motion")
"""Rows whose control is the real clips' number."""
CONFIDENCE = "sync/generated_confidence"
WITHOUT = "0.0 1.0 50"
GUIDED = ("0.5 1.0 50", "1.0 1.0 50", "2.0 1.0 50")
STAMPS = ("lambda_audio", "lambda_gaze", "steps")


def setting_of(row: ResultRow) -> str | None:
    """`lambda_A lambda_g steps` of a row; None where its stamp does not say."""
    if any(row.stamp.get(name) is None for name in STAMPS):
        return None
    audio, gaze, steps = (float(row.stamp[name]) for name in STAMPS)
    return f"{audio} {gaze} {steps:.0f}"


def guidance_scores(rows: Sequence[ResultRow]) -> Scores:
    """Rows by metric and judge, then by setting, in the table's order."""

    def place(row: ResultRow) -> tuple[str, str] | None:
        setting = setting_of(row)
        return None if setting is None or row.metric not in COLUMNS else (row.metric, setting)

    order = list(COLUMNS)
    return dict(sorted(collect(rows, place).items(), key=lambda item: order.index(item[0][0])))


def guidance_grids(rows: Sequence[ResultRow], paper: PaperTable) -> list[PaperGrid]:
    """Table 5 and the trend of S_C over lambda_A; nothing where no row has a setting."""
    scores = guidance_scores(rows)
    if not scores:
        return []
    settings = [*paper.rows]
    settings += sorted({name for found in scores.values() for name in found} - set(settings))
    count = max(len(found) for lines in scores.values() for found in lines.values())
    samples = "one sample of each clip" if count == 1 else f"{count} samples of each clip, averaged"
    notes = [
        f"Ours: {samples}; {measured_on(all_rows(scores))}.",
        *_real(rows),
        *paper.notes,
    ]
    head = [column_head(scores, key, label=COLUMNS[key[0]]) for key in scores]
    grid = PaperGrid(
        title=paper.heading,
        header=("lambda_A", "lambda_g", "steps", *head, *(f"{n} paper" for n in paper.columns)),
        rows=tuple(
            (
                *setting.split(),
                *(estimate_text(found.get(setting, [])) for found in scores.values()),
                *(paper_text(paper.value(setting, column)) for column in paper.columns),
            )
            for setting in settings
        ),
        num_paper=len(paper.columns),
        num_labels=3,
        notes=tuple(notes),
    )
    return [grid, *_trends(scores, paper)]


def trend(lines: dict[str, list[ResultRow]], setting: str) -> PairedDifference | None:
    """S_C of a setting less S_C without guidance by sound, clip by clip."""
    return difference(lines.get(setting, []), lines.get(WITHOUT, []))


def verdict(found: PairedDifference) -> str:
    """What an interval says of the paper's trend, which is upwards."""
    if found.ci_low > 0:
        return "confirmed"
    return "refuted" if found.ci_high < 0 else "undecided (the interval holds 0)"


def _trends(scores: Scores, paper: PaperTable) -> list[PaperGrid]:
    grids = []
    for (metric, by), lines in scores.items():
        found = {setting: trend(lines, setting) for setting in GUIDED}
        if metric != CONFIDENCE or not any(found.values()):
            continue
        plain = paper.rows[WITHOUT][0]
        grids.append(
            PaperGrid(
                title=f"Does guidance by sound raise S_C ({by})? "
                "Less lambda_A = 0 (lambda_g = 1, 50 steps), clip by clip",
                header=(
                    "lambda_A",
                    "difference of S_C",
                    "95% CI",
                    "p",
                    "the paper's trend",
                    "difference paper",
                ),  # fmt: skip
                rows=tuple(
                    (
                        setting.split()[0],
                        f"{one.mean:+.3f}",
                        f"{one.ci_low:+.3f} … {one.ci_high:+.3f}",
                        f"{one.p_value:.3f}",
                        verdict(one),
                        f"{paper.rows[setting][0] - plain:+.3f}",
                    )
                    for setting, one in found.items()
                    if one is not None
                ),
                num_paper=1,
            )
        )
    return grids


def _real(rows: Sequence[ResultRow]) -> list[str]:
    """What the same judges say of the real clips."""
    real = collect(rows, lambda row: (row.metric, "") if row.metric in REAL else None)
    words = [
        f"{column_head(real, key, label=REAL[key[0]])} {estimate(lines[''][:1]).value:.3f}"
        for key, lines in real.items()
    ]
    for name in BESIDE:
        controls = [row.control for row in rows if row.metric == name and setting_of(row)]
        words += [f"{COLUMNS[name]} {one:.3f}" for one in controls[:1] if one is not None]
    return [f"Real clips by the same judges: {', '.join(words)}."] if words else []
