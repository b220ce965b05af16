"""Results file and README tables of experiment 005.

usage: python experiments/005-disentanglement/table.py RUN EXPERIMENT

RUN is the folder of run.sh; EXPERIMENT holds the README and receives results.jsonl: the rows of the
whole recipe, then those of the ablation with `variant` and their seed.
"""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from vasa.evaluation.report.marks import put_between

ASKED = (
    "disentanglement/pose_error_deg",
    "disentanglement/mouth_correlation",
    "disentanglement/gaze_correlation",
    "probe/z_dyn/yaw_r2",
    "probe/z_dyn/identity_accuracy",
)
BESIDE = (
    "disentanglement/expert_pose_error_deg",
    "disentanglement/expert_mouth_correlation",
    "disentanglement/expert_gaze_correlation",
    "disentanglement/blink_correlation",
    "disentanglement/identity_similarity",
    "disentanglement/leakage_mean",
    "probe/z_dyn/pitch_r2",
    "probe/z_dyn/yaw_mlp_r2",
    "probe/z_dyn/identity_mlp_accuracy",
    "probe/z_dyn/mouth_opening_r2",
    "probe/z_dyn/gaze_r2",
)
VARIANTS = {
    "both": "both losses",
    "no_consistency": "transfer consistency off",
    "no_cross_identity": "cross-identity off",
    "neither": "both off",
}
COLUMNS = {
    "disentanglement/leakage_mean": "leakage, all codes",
    "disentanglement/leakage_appearance_mean": "appearance swapped",
    "disentanglement/leakage_pose_mean": "pose swapped",
    "disentanglement/leakage_dynamics_mean": "dynamics swapped",
    "disentanglement/leakage_pose/yaw_identity": "yaw moves identity",
    "disentanglement/leakage_appearance/yaw_yaw": "appearance carries yaw",
    "disentanglement/pose_error_deg": "pose error (deg)",
    "disentanglement/mouth_correlation": "mouth r",
    "disentanglement/identity_similarity": "identity",
}

SEEDS = (0, 1, 2)
KEPT = (*ASKED, *BESIDE, "disentanglement/leakage/")
"""Rows of the recipe for results.jsonl; each code's own leakage stays in the run's folder."""

Row = dict[str, Any]


def rows_of(folder: Path, *, run: Path, kept: tuple[str, ...]) -> list[Row]:
    """Rows that `vasa evaluate` left in a stage-1 run, with RUN for where all of it lay."""
    text = (folder / "disentanglement" / "results.jsonl").read_text()
    lines = text.replace(str(run), "RUN").splitlines()
    rows = [{**json.loads(line), "device": "cpu"} for line in lines]
    return [row for row in rows if row["metric"].startswith(kept)]


def ablated(run: Path, variant: str, seed: int) -> Path:
    """A run of the ablation."""
    return run / "ablation" / f"{variant}-seed{seed}"


def scored_seeds(run: Path, variant: str) -> list[int]:
    """Seeds that a variant was trained and scored with."""
    results = "disentanglement/results.jsonl"
    seeds = [seed for seed in SEEDS if (ablated(run, variant, seed) / results).is_file()]
    if not seeds:
        sys.exit(f"expected {ablated(run, variant, 0)}/{results}, found none; run run.sh")
    return seeds


def recipe_table(rows: dict[str, Row]) -> str:
    """What was asked, then what stands beside it."""
    first = rows[ASKED[0]]
    commit = first["commit"][:12] + ("+changes" if first["is_dirty"] else "")
    lines = [
        f"{first['n']} held-out people, seed {first['seed']}, commit {commit}, {first['machine']}, "
        f"{first['date'][:10]}:",
        "",
        "| number | value | 95% CI | control | control is | judged |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in (*ASKED, *BESIDE):
        row = rows[name]
        verdicts = "; ".join(
            f"{'met' if c['passed'] else 'NOT met'}: {c['text']}" for c in row["criteria"]
        )
        lines.append(
            f"| `{name}` | {row['value']:.3f} | {row['ci_low']:.3f} … {row['ci_high']:.3f} "
            f"| {row['control']:.3f} | {row['control_name']} | {verdicts} |"
        )
    return "\n".join(lines) + "\n"


def ablation_table(found: dict[str, dict[int, dict[str, Row]]]) -> str:
    """Mean and standard deviation over seeds; each seed's difference to both losses."""
    commits = {
        row["commit"][:12]
        for rows in found.values()
        for one in rows.values()
        for row in one.values()
    }
    lines = [
        f"Commit {', '.join(sorted(commits))}. Mean ± standard deviation over seeds; in brackets, "
        "in how many of the seeds that both losses were trained with the value is above theirs:",
        "",
        "| | seeds | " + " | ".join(COLUMNS.values()) + " |",
        "| --- " * (len(COLUMNS) + 2) + "|",
    ]
    for variant, label in VARIANTS.items():
        cells = [", ".join(str(seed) for seed in found[variant])]
        for metric in COLUMNS:
            values = {seed: rows[metric]["value"] for seed, rows in found[variant].items()}
            cell = f"{statistics.mean(values.values()):.3f}"
            if len(values) > 1:
                cell += f" ± {statistics.stdev(values.values()):.3f}"
            if variant != "both":
                shared = [seed for seed in values if seed in found["both"]]
                above = sum(values[seed] > found["both"][seed][metric]["value"] for seed in shared)
                cell += f" ({above}/{len(shared)})"
            cells.append(cell)
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main(run: Path, experiment: Path) -> None:
    """Write results.jsonl and both tables."""
    recipe = rows_of(run / "stage1", run=run, kept=KEPT)
    found: dict[str, dict[int, dict[str, Row]]] = {}
    records = list(recipe)
    for variant in VARIANTS:
        found[variant] = {}
        for seed in scored_seeds(run, variant):
            rows = [
                {**row, "variant": variant, "training_seed": seed}
                for row in rows_of(ablated(run, variant, seed), run=run, kept=tuple(COLUMNS))
            ]
            records += rows
            found[variant][seed] = {row["metric"]: row for row in rows}
    lines = [json.dumps(record) for record in records]
    (experiment / "results.jsonl").write_text("\n".join(lines) + "\n")
    readme = experiment / "README.md"
    put_between(readme, "recipe", recipe_table({row["metric"]: row for row in recipe}))
    put_between(readme, "ablation", ablation_table(found))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
