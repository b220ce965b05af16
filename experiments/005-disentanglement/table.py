"""Results file and README tables of experiment 005.

usage: python experiments/005-disentanglement/table.py RUN EXPERIMENT

RUN is the folder of run.sh; EXPERIMENT holds the README and receives the heat map of leakage and
results.jsonl: the rows of the whole recipe, then those of the ablations with `setting`, `variant`
and their seed. Ablations that RUN does not hold stand as they are: each of their rows says its
commit.
"""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from vasa.evaluation.report.leakage import leakage_figure, matrix_markdown
from vasa.evaluation.report.marks import put_between
from vasa.evaluation.results import read_rows

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
    "disentanglement/gaze_horizontal_correlation",
    "disentanglement/gaze_vertical_correlation",
    "disentanglement/expert_gaze_vertical_correlation",
    "disentanglement/blink_correlation",
    "disentanglement/identity_similarity",
    "disentanglement/leakage_mean",
    "probe/z_dyn/pitch_r2",
    "probe/z_dyn/yaw_mlp_r2",
    "probe/z_dyn/identity_mlp_accuracy",
    "probe/z_dyn/mouth_opening_r2",
    "probe/z_dyn/gaze_r2",
    "disentanglement/encoder/emotion_z_dyn",
)
SETTINGS = {
    "ablation": "priced code",
    "free": "free code",
    "unlabelled": "code without labels",
}
"""Folders of RUN with ablations; the README's marks are named as they are."""
VARIANTS = {
    "both": "both losses",
    "no_consistency": "transfer consistency off",
    "no_cross_identity": "cross-identity off",
    "neither": "both off",
}
LEAKAGE = "disentanglement/leakage"
CELL = f"{LEAKAGE}/"
COLUMNS = {
    "disentanglement/leakage_mean": "leakage, all codes",
    "disentanglement/leakage_moves_identity": "what moves identity",
    "disentanglement/leakage_identity_moves": "what identity moves",
    "disentanglement/leakage_appearance_mean": "appearance swapped",
    "disentanglement/leakage_pose_mean": "pose swapped",
    "disentanglement/leakage_dynamics_mean": "dynamics swapped",
    "disentanglement/leakage_pose/yaw_identity": "yaw moves identity",
    "disentanglement/leakage_dynamics/identity_identity": "dynamics carry identity",
    "disentanglement/leakage_dynamics/identity_yaw": "they carry yaw",
    "disentanglement/leakage_appearance/yaw_yaw": "appearance carries yaw",
    "disentanglement/pose_error_deg": "pose error (deg)",
    "disentanglement/mouth_correlation": "mouth r",
    "disentanglement/identity_similarity": "identity",
}
CODES = ("z_dyn", "z_pose", "z_id")
PROBED = {
    "mouth_opening": "mouth opening",
    "mouth_width": "mouth width",
    "blink": "blink",
    "gaze": "gaze",
    "yaw": "yaw",
    "pitch": "pitch",
    "roll": "roll",
    "identity": "person, one-hot",
    "from_pose": "the code itself, from pose",
    "from_expression": "the code itself, from mouth, blink and gaze",
}
HEAT_MAP = "leakage.png"
STAMP = (
    *("split", "n", "seed", "command", "commit", "is_dirty", "date", "machine", "device"),
    *("threads", "evaluation", "identity", "models", "loss_networks", "experts", "data"),
)
"""What a mean of rows keeps of them: how, with what and on what they were measured."""

SEEDS = (0, 1, 2)
KEPT = (*ASKED, *BESIDE, "disentanglement/leakage/", "probe/")
"""Rows of the recipe for results.jsonl; each code's own leakage stays in the run's folder."""

Row = dict[str, Any]


def rows_of(folder: Path, *, run: Path, kept: tuple[str, ...]) -> list[Row]:
    """Rows that `vasa evaluate` left in a stage-1 run, with RUN for where all of it lay."""
    text = (folder / "disentanglement" / "results.jsonl").read_text()
    lines = text.replace(str(run), "RUN").splitlines()
    rows = [json.loads(line) for line in lines]
    return [row for row in [*rows, *identity_means(rows)] if row["metric"].startswith(kept)]


def identity_means(rows: list[Row]) -> list[Row]:
    """Identity's row and column of the leakage matrix, each as one number."""
    cells = {}
    for row in rows:
        if row["metric"].startswith(CELL):
            changed, measured = row["metric"].removeprefix(CELL).split("_")
            cells[changed, measured] = row
    first = rows[0]
    stamp = {key: first[key] for key in STAMP if key in first}
    sets = {
        "identity_moves": [r for (a, b), r in cells.items() if a == "identity" != b],
        "moves_identity": [r for (a, b), r in cells.items() if b == "identity" != a],
    }
    return [
        {
            "metric": f"{LEAKAGE}_{name}",
            "value": statistics.mean(r["value"] for r in found),
            **stamp,
        }
        for name, found in sets.items()
        if found
    ]


def ablated(run: Path, setting: str) -> list[Row]:
    """Rows of a setting's runs, with what was trained."""
    found = []
    for variant in VARIANTS:
        for seed in SEEDS:
            folder = run / setting / f"{variant}-seed{seed}"
            if (folder / "disentanglement" / "results.jsonl").is_file():
                rows = rows_of(folder, run=run, kept=tuple(COLUMNS))
                more = {"setting": SETTINGS[setting], "variant": variant, "training_seed": seed}
                found += [{**row, **more} for row in rows]
    if found and not any(row["variant"] == "both" for row in found):
        sys.exit(f"expected {run / setting}/both-seed0, scored, found none; run run.sh")
    return found


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


def probe_table(rows: dict[str, Row]) -> str:
    """R2 of linear and MLP probes of each code, that of random weights in brackets."""
    kinds = {"": "linear", "mlp_": "MLP"}
    header = [f"{code}, {kind}" for code in CODES for kind in kinds.values()]
    lines = [f"| R2 of | {' | '.join(header)} |", "| --- |" + " ---: |" * len(header)]
    for factor, name in PROBED.items():
        cells = []
        for code in CODES:
            for kind in kinds:
                row = rows[f"probe/{code}/{factor}_{kind}r2"]
                cells.append(f"{row['value']:.2f} ({row['control']:.2f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def leakage_tables(results: Path, picture: Path) -> str:
    """The matrix over the swaps of all codes as a table; all matrices as the heat map."""
    rows = read_rows(results)
    leakage_figure(picture, rows)
    lines = matrix_markdown([row for row in rows if row.metric.startswith(CELL)])
    return (
        "\n".join([*lines[4:], "", f"![Heat maps of leakage, code by code]({picture.name})"]) + "\n"
    )


def ablation_table(rows: list[Row]) -> str:
    """Mean and standard deviation over seeds; each seed's difference to both losses."""
    values: dict[tuple[str, str], dict[int, float]] = {}
    for row in rows:
        cell = values.setdefault((row["variant"], row["metric"]), {})
        cell[row["training_seed"]] = row["value"]
    lines = [
        f"Commit {', '.join(sorted({row['commit'][:12] for row in rows}))}. Mean ± standard "
        "deviation over seeds; in brackets, in how many of the seeds that both losses were trained "
        "with the value is above theirs:",
        "",
        "| | seeds | " + " | ".join(COLUMNS.values()) + " |",
        "| --- " * (len(COLUMNS) + 2) + "|",
    ]
    for variant in [name for name in VARIANTS if (name, next(iter(COLUMNS))) in values]:
        cells = [", ".join(str(seed) for seed in values[variant, next(iter(COLUMNS))])]
        for metric in COLUMNS:
            own, base = values[variant, metric], values["both", metric]
            cell = f"{statistics.mean(own.values()):.4f}"
            if len(own) > 1:
                cell += f" ± {statistics.stdev(own.values()):.4f}"
            if variant != "both":
                shared = own.keys() & base.keys()
                above = sum(own[seed] > base[seed] for seed in shared)
                cell += f" ({above}/{len(shared)})"
            cells.append(cell)
        lines.append(f"| {VARIANTS[variant]} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main(run: Path, experiment: Path) -> None:
    """Write results.jsonl and the tables."""
    readme = experiment / "README.md"
    records = rows_of(run / "stage1", run=run, kept=KEPT)
    results = experiment / "results.jsonl"
    before = [json.loads(line) for line in results.read_text().splitlines()]
    of_the_recipe = {row["metric"]: row for row in records}
    put_between(readme, "recipe", recipe_table(of_the_recipe))
    whole = run / "stage1" / "disentanglement" / "results.jsonl"
    put_between(readme, "leakage", leakage_tables(whole, experiment / HEAT_MAP))
    put_between(readme, "probes", probe_table(of_the_recipe))
    for setting in SETTINGS:
        if rows := ablated(run, setting):
            put_between(readme, setting, ablation_table(rows))
        records += rows or [row for row in before if row.get("setting") == SETTINGS[setting]]
    lines = [json.dumps(record) for record in records]
    results.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
