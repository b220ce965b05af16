"""Results file, table and histograms of experiment 104.

usage: python experiments/104-sync-offsets/table.py OUT EXPERIMENT

OUT holds the records of offsets.py; EXPERIMENT the README, and receives results.jsonl and
offsets.png.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from offsets import DELAY_FRAMES

from vasa.evaluation.metrics.clip_metric import bootstrap_interval
from vasa.evaluation.report.marks import put_between
from vasa.evaluation.report.sync_offsets import draw_offset_panels
from vasa.evaluation.report.tables import markdown_table
from vasa.evaluation.results import Criterion, ResultRow, write_rows
from vasa.evaluation.sync_offsets import FoundOffsets

NAMES = {
    "synthetic": "rendered people, 3 s",
    "real": "news in Arabic, a word of 1.2 s",
    "real_sentences": "English sentences of 3 s",
    "real_talks": "English talks of 1 to 8 s",
}
NUM_RESAMPLES, SEED = 2000, 0
ASKED = [
    Criterion(metric="sync/synthetic_offset_within_1", rule="at_least", bound=0.9),
    Criterion(metric="sync/real_offset_accuracy", rule="times_control", bound=2.0),
]


def hit(clip: dict[str, Any], kind: str, tolerance: int) -> float:
    return float(abs(clip[kind]["offset"] - _truth(kind)) <= tolerance)


def chance(clip: dict[str, Any], kind: str, tolerance: int) -> float:
    """How likely a blind pick among the shifts tried is a hit."""
    most = clip[kind]["most"]
    near = sum(abs(_truth(kind) + step) <= most for step in range(-tolerance, tolerance + 1))
    return near / (2 * most + 1)


def _truth(kind: str) -> int:
    return DELAY_FRAMES if kind == "delayed" else 0


def over_people(
    clips: list[dict[str, Any]], value: Callable[[dict[str, Any]], float]
) -> tuple[float, float, float]:
    """Mean over clips and a 95% bootstrap interval over people."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for clip in clips:
        sums[clip["person"]][0] += value(clip)
        sums[clip["person"]][1] += 1
    totals = torch.tensor(list(sums.values()), dtype=torch.float64)
    low, high = bootstrap_interval(
        totals, reduce=lambda x: x[..., 0] / x[..., 1], num_resamples=NUM_RESAMPLES, seed=SEED
    )
    return float(totals[:, 0].sum() / totals[:, 1].sum()), low, high


def rows_of(record: dict[str, Any]) -> list[ResultRow]:
    """A set's rows `sync/<name>_...`."""
    name, clips = record["name"], record["clips"]
    people = len({clip["person"] for clip in clips})
    stamp = {
        "command": "bash experiments/104-sync-offsets/run.sh SYNTH REAL",
        "seed": 0,
        "syncnet": record["syncnet"],
        **{key: record[key] for key in ("commit", "is_dirty", "machine", "date", "device")},
    }
    rows = []
    for kind, tolerance, ending, note in (
        ("as_it_is", 0, "offset_accuracy", "the offset found is 0"),
        ("as_it_is", 1, "offset_within_1", "it is 0 or one frame beside it"),
        (
            "delayed",
            1,
            f"delayed_{DELAY_FRAMES}_within_1",
            f"sound {DELAY_FRAMES} frames late: that or one frame beside it",
        ),
        ("other_sound", 1, "other_sound_within_1", "another person's sound; nothing to find"),
    ):
        value, low, high = over_people(clips, lambda c, k=kind, t=tolerance: hit(c, k, t))
        blind = over_people(clips, lambda c, k=kind, t=tolerance: chance(c, k, t))
        metric = f"sync/{name}_{ending}"
        rows.append(
            ResultRow(
                metric=metric,
                value=value,
                control=blind[0],
                control_name="chance",
                split="test",
                n=len(clips),
                unit="share",
                higher_is_better=None if kind == "other_sound" else True,
                ci_low=low,
                ci_high=high,
                note=f"{note}; {people} people, interval over people",
                stamp=stamp,
            ).judged(ASKED)
        )
    return rows


def table(records: list[dict[str, Any]]) -> str:
    """A line a set."""
    lines = [
        "| held-out people | clips | people | SyncNet | found exactly (chance) | within 1 (chance) "
        f"| {DELAY_FRAMES} frames late, within 1 | moves by {DELAY_FRAMES} ± 1 "
        "| another's sound, within 1 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for record in records:
        rows = {row.metric.rsplit("/", 1)[-1]: row for row in rows_of(record)}
        name = record["name"]
        exact, near = rows[f"{name}_offset_accuracy"], rows[f"{name}_offset_within_1"]
        moved = [
            abs(clip["delayed"]["offset"] - clip["as_it_is"]["offset"] - DELAY_FRAMES) <= 1
            for clip in record["clips"]
        ]
        cells = [
            NAMES[name],
            str(near.n),
            str(len({clip["person"] for clip in record["clips"]})),
            record["syncnet"],
            f"{exact.value:.0%} ({exact.control:.0%})",
            f"{near.value:.0%}, {near.ci_low:.0%} … {near.ci_high:.0%} ({near.control:.0%})",
            f"{rows[f'{name}_delayed_{DELAY_FRAMES}_within_1'].value:.0%}",
            f"{sum(moved) / len(moved):.0%}",
            f"{rows[f'{name}_other_sound_within_1'].value:.0%}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    stamp = records[0]
    dirty = "+changes" if stamp["is_dirty"] else ""
    lines += [
        "",
        f"Commit {str(stamp['commit'])[:12]}{dirty}, {stamp['machine']}, {stamp['date'][:10]}; "
        "intervals are over people.",
    ]
    return "\n".join(lines) + "\n"


def draw(records: list[dict[str, Any]], path: Path) -> None:
    """Share of clips by the offset found, a panel a set; grey is another's sound."""
    panels = {}
    for record in records:
        offsets = FoundOffsets(moved_by_frames=DELAY_FRAMES)
        for clip in record["clips"]:
            offsets.keys.append(clip["key"])
            for kind, found in (
                ("as_it_is", offsets.as_it_is),
                ("delayed", offsets.moved),
                ("other_sound", offsets.other_sound),
            ):
                found.append(clip[kind]["offset"])
        panels[NAMES[record["name"]]] = offsets
    draw_offset_panels(path, panels)


def main(out: Path, experiment: Path) -> None:
    paths = [out / f"{name}.json" for name in NAMES]
    records = [json.loads(path.read_text()) for path in paths if path.is_file()]
    if not records:
        sys.exit(f"expected records in {out}, found none; run run.sh")
    rows = [row for record in records for row in rows_of(record)]
    write_rows(experiment / "results.jsonl", rows)
    draw(records, experiment / "offsets.png")
    put_between(experiment / "README.md", "table", f"{table(records)}\n{markdown_table(rows)}\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
