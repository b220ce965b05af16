"""Results file and tables of experiment 010: a row a set of clips, a column a method.

usage: python experiments/010-languages/table.py RUN EXPERIMENT

RUN is the folder of run.sh; EXPERIMENT holds the README and receives results.jsonl, whose metrics
begin with the clips that they are of.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vasa.data.shards import read_index
from vasa.evaluation.lists import listed_rows, read_list
from vasa.evaluation.report.marks import put_between
from vasa.evaluation.report.tables import markdown_table
from vasa.evaluation.results import ResultRow, read_rows, write_rows

CLIPS = {
    "arabic": "Arabic: held-out people",
    "english": "English: held-out people and language, TED talks (lrs3)",
    "english_grid": "English: held-out people and language, commands (grid)",
}
METHODS = ("real", "ours", "shuffled", "still", "random_motion", "retrieval", "ridge")
SCORES = {
    "mouth_correlation": "Mouth opening against the clip's own, r",
    "sync_confidence": "S_C of a SyncNet that heard Arabic alone (its own scale)",
    "pose_variation_deg": "Head motion dP, degrees a frame",
}

BESIDE = {
    "speech.jsonl": "Sound without pictures",
    "portraits.jsonl": "Photos and paintings of strangers, each says each sound",
}


def interval(row: ResultRow) -> str:
    """Value and 95% interval."""
    return f"{row.value:.3f} ({row.ci_low:.3f} … {row.ci_high:.3f})"


def score_table(name: str, kinds: dict[str, dict[str, ResultRow]], heads: dict[str, str]) -> str:
    """One score of every method on every set of clips; paired differences of ours beside them."""
    lines = [
        f"| clips | {' | '.join(METHODS)} | ours less shuffled | ours less ridge |",
        "| --- " * (len(METHODS) + 3) + "|",
    ]
    for kind, rows in kinds.items():
        cells = [
            interval(row) if (row := rows.get(f"methods/{method}/{name}")) else "—"
            for method in METHODS
        ]
        for other in ("shuffled", "ridge"):
            row = rows.get(f"methods/{other}/{name}_minus_ours")
            # The row is the other's less ours.
            cells.append(
                "—"
                if row is None
                else f"{-row.value:+.3f} ({-row.ci_high:.3f} … {-row.ci_low:.3f}), "
                f"p {row.stamp['p_value']:.3f}"
            )
        lines.append(f"| {heads[kind]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def clip_heads(run: Path, kinds: Sequence[str]) -> dict[str, str]:
    """What each set of clips is, with its people and clips."""
    heads = {}
    for kind in kinds:
        index = read_index(run / "data", split="test")
        rows = listed_rows(index, read_list(run / f"{kind}.txt"), split="test")
        heads[kind] = f"{CLIPS[kind]}; {rows['speaker'].nunique()} people, {len(rows)} clips"
    return heads


def main(run: Path, experiment: Path) -> None:
    """Write results.jsonl and the README's tables."""
    files = {kind: run / kind / "real/results.jsonl" for kind in CLIPS}
    found = {kind: read_rows(file) for kind, file in files.items() if file.is_file()}
    if not found:
        sys.exit(f"expected results at {run}/arabic/real and others; run run.sh")
    kinds = {kind: {row.metric: row for row in rows} for kind, rows in found.items()}
    heads = clip_heads(run, list(kinds))
    first = next(iter(found.values()))[0].stamp
    commit = first["commit"][:12] + ("+changes" if first["is_dirty"] else "")
    lines = [f"Commit {commit}, seed {first['seed']}, {first['machine']}, {first['date'][:10]}."]
    for name, about in SCORES.items():
        lines += ["", f"**{about}:**", "", score_table(name, kinds, heads)]
    named = [
        replace(row, metric=f"{kind}/{row.metric}") for kind, rows in found.items() for row in rows
    ]
    for file, about in BESIDE.items():
        if (run / file).is_file():
            beside = read_rows(run / file)
            lines += ["", f"**{about}:**", "", markdown_table(beside)]
            named += beside
    write_rows(experiment / "results.jsonl", named)
    put_between(experiment / "README.md", "tables", "\n".join(lines) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: table.py RUN EXPERIMENT")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
