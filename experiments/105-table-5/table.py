"""Results file and README table of experiment 105, beside the paper's table 5.

usage: python experiments/105-table-5/table.py OUT EXPERIMENT

OUT is the folder of run.sh; EXPERIMENT holds the README and receives results.jsonl: the rows of the
table, with lambda_audio, lambda_gaze, steps and generation_seed.
"""

import json
import random
import statistics
import sys
from pathlib import Path
from typing import Any

from vasa.evaluation.report.marks import put_between

Setting = tuple[str, str, str]

# VASA-1 table 5 (OneMin-32): S_C, S_D, CAPP, dP, FVD_25, E_g, E_d by lambda_A, lambda_g, steps.
PAPER: dict[Setting, tuple[float, ...]] = {
    ("0.0", "0.0", "50"): (7.087, 7.391, 0.414, 0.291, 117.425, 5.730, 0.004),
    ("0.0", "1.0", "50"): (7.134, 7.345, 0.421, 0.290, 116.547, 5.329, 0.004),
    ("0.0", "2.0", "50"): (7.108, 7.386, 0.414, 0.298, 117.784, 5.064, 0.005),
    ("0.5", "1.0", "50"): (7.957, 6.635, 0.465, 0.316, 105.884, 5.253, 0.005),
    ("1.0", "1.0", "50"): (8.218, 6.437, 0.474, 0.342, 104.886, 5.333, 0.005),
    ("2.0", "1.0", "50"): (8.295, 6.397, 0.455, 0.395, 104.293, 5.531, 0.005),
    ("0.5", "1.0", "10"): (8.293, 6.363, 0.523, 0.243, 117.060, 5.469, 0.006),
}
# Column of the table -> our row; None where this experiment measures nothing.
COLUMNS: dict[str, str | None] = {
    "S_C": "sync/generated_confidence",
    "S_D": "sync/generated_distance",
    "CAPP": None,
    "dP": "generated/pose_change",
    "FVD_25": None,
    "E_g": "generated/gaze_error_deg",
    "E_d": "generated/distance_error",
}
CONFIDENCE = "sync/generated_confidence"
WITHOUT = ("0.0", "1.0", "50")
TRENDS = (("0.5", "1.0", "50"), ("1.0", "1.0", "50"), ("2.0", "1.0", "50"))
NUM_RESAMPLES = 2000

Row = dict[str, Any]
Runs = dict[Setting, list[dict[str, Row]]]


def read_runs(out: Path) -> Runs:
    """Rows by metric of each setting's seeds.

    Ends the script where a setting is missing or settings have other seeds.
    """
    found: Runs = {}
    for setting in PAPER:
        folders = sorted(out.glob("_".join(setting) + "-seed*"))
        files = [folder / "results.jsonl" for folder in folders]
        if not files or not all(file.is_file() for file in files):
            sys.exit(f"expected results at {out}/{'_'.join(setting)}-seed*; run run.sh")
        found[setting] = [
            {row["metric"]: row for row in map(json.loads, file.read_text().splitlines())}
            for file in files
        ]
    if len({len(seeds) for seeds in found.values()}) != 1:
        sys.exit(f"expected as many seeds of each setting in {out}; run run.sh again")
    return found


def clip_means(seeds: list[dict[str, Row]], metric: str) -> list[float]:
    """Each clip's number, the mean over seeds."""
    columns = [rows[metric]["clip_values"] for rows in seeds]
    return [statistics.mean(values) for values in zip(*columns, strict=True)]


def interval(values: list[float]) -> tuple[float, float, float]:
    """Mean and 95% bootstrap interval over clips."""
    draw = random.Random(0)
    means = sorted(
        statistics.fmean(draw.choices(values, k=len(values))) for _ in range(NUM_RESAMPLES)
    )
    low, high = (means[round(share * (NUM_RESAMPLES - 1))] for share in (0.025, 0.975))
    return statistics.fmean(values), low, high


def own_cell(seeds: list[dict[str, Row]], metric: str | None) -> str:
    """Our number with its interval."""
    if metric is None or metric not in seeds[0]:
        return "—"
    value, low, high = interval(clip_means(seeds, metric))
    return f"{value:.3f} ({low:.3f} … {high:.3f})"


def trend(runs: Runs, setting: Setting) -> tuple[float, float, float]:
    """S_C with audio guidance less S_C without, clip by clip."""
    pairs = zip(
        clip_means(runs[setting], CONFIDENCE), clip_means(runs[WITHOUT], CONFIDENCE), strict=True
    )
    return interval([guided - plain for guided, plain in pairs])


def verdict(low: float, high: float) -> str:
    """What an interval says of the paper's trend."""
    if low > 0:
        return "confirmed"
    return "refuted" if high < 0 else "undecided (the interval holds 0)"


def table(runs: Runs) -> str:
    """The settings, our columns, the paper's, and the trend."""
    first = runs[WITHOUT][0][CONFIDENCE]

    def real(name: str) -> str:
        return f"{runs[WITHOUT][0][name]['value']:.3f}"

    commit = first["commit"][:12] + ("+changes" if first["is_dirty"] else "")
    networks = ", ".join(f"{role} {digest}" for role, digest in first["models"].items())
    head = ["lambda_A", "lambda_g", "steps"]
    head += [f"{name}{'' if name in ('CAPP', 'FVD_25') else ' own'}" for name in COLUMNS]
    head += [f"{name} paper" for name in COLUMNS]
    lines = [
        f"{first['n']} held-out clips ({first['evaluation']}), {len(runs[WITHOUT])} samples of "
        f"each, commit {commit}, {first['machine']}, {first['date'][:10]}; {networks}. Own columns "
        "and the paper's are different measurements: other weights of SyncNet, other experts, "
        "other data, another model.",
        "",
        "| " + " | ".join(head) + " |",
        "| --- " * len(head) + "|",
    ]
    for setting, numbers in PAPER.items():
        own = [own_cell(runs[setting], metric) for metric in COLUMNS.values()]
        paper = [f"*{number:.3f}*" for number in numbers]
        lines.append("| " + " | ".join([*setting, *own, *paper]) + " |")
    lines += [
        "",
        f"Real clips: S_C {real('sync/real_confidence')}, S_D {real('sync/real_distance')}, dP "
        f"{runs[WITHOUT][0]['generated/pose_change']['control']:.3f}.",
        "",
        "Does guidance by audio raise S_C? Difference to lambda_A = 0 (lambda_g = 1, 50 steps), "
        "clip by clip:",
        "",
        "| lambda_A | difference of S_C | 95% CI | the paper's trend | *paper* |",
        "| --- | --- | --- | --- | --- |",
    ]
    for setting in TRENDS:
        value, low, high = trend(runs, setting)
        paper = PAPER[setting][0] - PAPER[WITHOUT][0]
        lines.append(
            f"| {setting[0]} | {value:+.3f} | {low:+.3f} … {high:+.3f} | {verdict(low, high)} "
            f"| *{paper:+.3f}* |"
        )
    return "\n".join(lines) + "\n"


def main(out: Path, experiment: Path) -> None:
    """Write results.jsonl and the table."""
    runs = read_runs(out)
    records = []
    wanted = {metric for metric in COLUMNS.values() if metric} | {"generated/sync_ratio"}
    for (audio, gaze, steps), seeds in runs.items():
        for rows in seeds:
            told = {"lambda_audio": float(audio), "lambda_gaze": float(gaze), "steps": int(steps)}
            records += [
                {**row, **told, "generation_seed": row["seed"]}
                for row in rows.values()
                if row["metric"] in wanted
            ]
    lines = [json.dumps(record) for record in records]
    (experiment / "results.jsonl").write_text("\n".join(lines) + "\n")
    put_between(experiment / "README.md", "table", table(runs))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
