"""Rows that measure one thing, of one or several samples, as one number; and who judged them."""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from vasa.evaluation.metrics.clip_metric import Estimate, MeanOverClips
from vasa.evaluation.paired import PairedDifference, paired_difference
from vasa.evaluation.report.paper_layout import NOTHING
from vasa.evaluation.results import ResultRow

NUM_RESAMPLES = 2000
SEED = 0
ROLES = {"sync": "syncnet", "capp": "capp"}
"""Networks whose weights decide a scale, by what a metric's name begins with."""
UNNAMED = "own, weights not named"
ARROWS = {True: " ↑", False: " ↓", None: ""}


def role_of(row: ResultRow) -> str | None:
    """The network whose weights are the number's scale; None where it is the measuring expert's."""
    if "features" in row.stamp:
        return "features"
    protocol, name = row.metric.split("/", 1)[0], row.metric.rsplit("/", 1)[-1]
    for start, role in ROLES.items():
        if start == protocol or name.startswith(start):
            return role
    return None


def judge(row: ResultRow) -> str:
    """Whose weights gave the number: `official`, `own:<hash>`, or the measuring experts' names.

    Of a Fréchet distance: whose features it compares, where these are not the measuring expert's.
    Numbers of different judges are different measurements and share no column.
    """
    if (role := role_of(row)) is not None:
        if named := row.stamp.get(role):
            return str(named)
        if found := re.search(r"\(((?:official|own:)[^)]*)\)", row.unit):
            return found.group(1)
        digest = (row.stamp.get("models") or {}).get(role)
        return f"own:{digest[:8]}" if digest else UNNAMED
    experts = row.stamp.get("experts") or []
    return ", ".join(f"{expert['name']} {expert.get('hash', '')[:8]}".strip() for expert in experts)


def clip_means(rows: Sequence[ResultRow]) -> list[float]:
    """Each clip's number, the mean over samples; empty where they were not kept for all alike."""
    columns = [row.clip_values for row in rows]
    if not columns or len({len(values) for values in columns}) != 1:
        return []
    return [math.fsum(values) / len(values) for values in zip(*columns, strict=True)]


def estimate(rows: Sequence[ResultRow]) -> Estimate:
    """Mean over samples, then clips; the interval is over clips.

    One sample keeps the row's own interval; several whose clips were not kept have none.
    """
    if len(rows) == 1:
        (row,) = rows
        return Estimate(value=row.value, ci_low=row.ci_low, ci_high=row.ci_high, num_clips=row.n)
    if values := clip_means(rows):
        metric = MeanOverClips()
        for value in values:
            if math.isfinite(value):
                metric.update(torch.tensor(value, dtype=torch.float64))
            else:
                metric.add_empty()
        people = rows[0].clip_people or None
        return metric.estimate(num_resamples=NUM_RESAMPLES, seed=SEED, people=people)
    value = math.fsum(row.value for row in rows) / len(rows)
    return Estimate(value=value, ci_low=math.nan, ci_high=math.nan, num_clips=rows[0].n)


def difference(first: Sequence[ResultRow], second: Sequence[ResultRow]) -> PairedDifference | None:
    """First less second, clip by clip; None where the clips were not kept or are not the same."""
    one, two = clip_means(first), clip_means(second)
    if not one or len(one) != len(two):
        return None
    people = first[0].clip_people or [str(place) for place in range(len(one))]
    pairs = [
        (x, y, person)
        for x, y, person in zip(one, two, people, strict=True)
        if math.isfinite(x) and math.isfinite(y)
    ]
    if not pairs:
        return None
    one, two, people = (list(column) for column in zip(*pairs, strict=True))
    return paired_difference(one, two, num_resamples=NUM_RESAMPLES, seed=SEED, people=people)


def estimate_text(rows: Sequence[ResultRow]) -> str:
    """`0.357 (0.292 … 0.415)`; a dash where nothing was measured."""
    if not rows:
        return NOTHING
    found = estimate(rows)
    if not math.isfinite(found.value):
        return NOTHING
    if not (math.isfinite(found.ci_low) and math.isfinite(found.ci_high)):
        return f"{found.value:.3f}"
    return f"{found.value:.3f} ({found.ci_low:.3f} … {found.ci_high:.3f})"


def difference_text(found: PairedDifference | None) -> str:
    """`-0.085 (-0.101 … -0.068)`; a dash where there is none."""
    if found is None:
        return NOTHING
    return f"{found.mean:+.3f} ({found.ci_low:+.3f} … {found.ci_high:+.3f})"


def paper_text(value: float | None) -> str:
    """A number of the paper's as it stands there."""
    return NOTHING if value is None else f"{value:.3f}"


def measured_on(rows: Sequence[ResultRow]) -> str:
    """What the own numbers are of: clips, networks, seeds, commit and machine."""

    def stamps(name: str) -> str:
        return ", ".join(dict.fromkeys(str(row.stamp[name]) for row in rows if row.stamp.get(name)))

    counts = sorted({row.n for row in rows})
    clips = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    networks: dict[str, str] = {}
    for row in rows:
        for role, digest in (row.stamp.get("models") or {}).items():
            networks.setdefault(str(digest)[:8], role)
        for expert in row.stamp.get("experts") or []:
            networks.setdefault(str(expert.get("hash", ""))[:8], expert["name"])
    named = ", ".join(f"{name} {digest}".strip() for digest, name in networks.items())
    seeds = sorted({str(row.stamp["seed"]) for row in rows if row.stamp.get("seed") is not None})
    changed = "+changes" if any(row.stamp.get("is_dirty") for row in rows) else ""
    commits = dict.fromkeys(str(row.stamp.get("commit") or "unknown")[:12] for row in rows)
    dates = sorted({str(row.stamp.get("date") or "")[:10] for row in rows} - {""})
    lists = dict.fromkeys(
        f"list {Path(found['file']).name} {found['sha256'][:8]}"
        for row in rows
        if (found := row.stamp.get("clip_list"))
    )
    evaluation = ", ".join([stamps("evaluation") or "evaluation not named", *lists])
    facts = [
        f"{clips} clips of split {', '.join(dict.fromkeys(row.split for row in rows)) or '?'}",
        f"({evaluation})",
        f"by {named or 'networks that are not named'};",
        f"seed {', '.join(seeds) or '?'},",
        f"commit {', '.join(commits)}{changed},",
        ", ".join([*filter(None, [stamps("machine")]), *dates[-1:]]) or "machine not named",
    ]
    return " ".join(facts)


Scores = dict[tuple[str, str], dict[str, list[ResultRow]]]
"""By metric and judge (a column), then by what the line is: a row a sample."""


def collect(
    rows: Sequence[ResultRow], place: Callable[[ResultRow], tuple[str, str] | None]
) -> Scores:
    """Rows by column and line.

    Args:
        rows: any.
        place: metric and line of a row; None where it has none in the table.
    """
    found: Scores = {}
    for row in rows:
        if (where := place(row)) is not None:
            name, line = where
            found.setdefault((name, judge(row)), {}).setdefault(line, []).append(row)
    return found


def column_head(scores: Scores, key: tuple[str, str], *, label: str) -> str:
    """`S_C own:1aef3205 ↑`; measuring experts are named where there are several."""
    name, by = key
    lines = [row for rows in scores[key].values() for row in rows]
    is_scored = role_of(lines[0]) is not None
    is_one = sum(other == name for other, _ in scores) == 1
    words = f"{label} {by}" if is_scored or not is_one else label
    directions = {row.higher_is_better for row in lines}
    return words + (ARROWS[directions.pop()] if len(directions) == 1 else "")


def all_rows(scores: Scores) -> list[ResultRow]:
    """Every row of a table."""
    return [row for lines in scores.values() for rows in lines.values() for row in rows]
