"""What variants of the decoder draw at the smallest size, beside what they cost.

usage: python experiments/003-decode-cost/quality.py RUN [README]

RUN holds, or receives: `data` (vasa synth), `expert_loss` and `expert_metric` (trained runs), and a
stage 1 for each variant, trained alike. What is complete is not made again. With a README its table
is replaced and the rows of it are kept in quality.jsonl beside it. JOBS trainings at a time, one
thread each.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from variants import counted, preset

from vasa.evaluation.report.marks import put_between

VARIANTS: dict[str, dict[str, Any]] = {
    "tiny: 2 blocks of 48 at 32 px, shuffle x2": {},
    "narrower: 24": {"generator_channels": [24]},
    "wider: 96": {"generator_channels": [96]},
    "shallower: 1 block": {"generator_blocks": [1]},
    "deeper: 4 blocks": {"generator_blocks": [4]},
    "at 16 px: fold 4, blocks of 96, shuffle x4": {
        "volume_fold": 4,
        "generator_channels": [96],
        "last_scale": 4,
    },
    "at 64 px: no fold, no shuffle": {"volume_fold": 1, "last_scale": 1},
}
STEPS = ("max_steps=1200", "module.encoder_steps=800", "sample_every=0")
METRICS = {
    "self_reenactment/psnr": "PSNR, dB",
    "self_reenactment/psnr_mouth": "mouth PSNR, dB",
    "self_reenactment/ssim": "SSIM",
}


def folder(run: Path, name: str) -> Path:
    """Where a variant's run lies."""
    return run / "quality" / name.split(":")[0].replace(" ", "_")


def train(run: Path, name: str) -> None:
    """One variant, trained and scored."""
    to = folder(run, name)
    changes = [
        f"{'+' if key == 'generator_blocks' else ''}module.model.{key}={json.dumps(value)}"
        for key, value in VARIANTS[name].items()
    ]
    commands = (
        [
            *("vasa", "train", "experiment=stage1/tiny", *STEPS, f"data.root={run}/data"),
            *(f"module.expert={run}/expert_loss", f"run_dir={to}", *changes),
        ],
        [
            *("vasa", "evaluate", "evaluation=synth", "evaluation.protocols=[self_reenactment]"),
            *("evaluation.criteria=[]", f"data={run}/data", f"stage1={to}"),
            *(f"expert={run}/expert_metric", f"output={to}/scores/results.jsonl"),
        ],
    )
    for command in commands:
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr[-2000:]}")
    print(f"done: {name}", flush=True)


def scores(run: Path, name: str) -> dict[str, dict[str, Any]]:
    """Rows of a variant's metrics, with RUN for where all of it lay."""
    text = (folder(run, name) / "scores" / "results.jsonl").read_text().replace(str(run), "RUN")
    rows = [{**json.loads(line), "variant": name} for line in text.splitlines()]
    return {row["metric"]: row for row in rows if row["metric"] in METRICS}


def table(run: Path) -> str:
    """Quality beside cost."""
    lines = []
    for name, changes in VARIANTS.items():
        rows = scores(run, name)
        if not lines:
            first = rows["self_reenactment/psnr"]
            commit = first["commit"][:12] + ("+changes" if first["is_dirty"] else "")
            lines = [
                f"{first['n']} held-out clips, seed 0, commit {commit}, {first['machine']}, "
                f"{first['date'][:10]}; copying the source scores "
                f"{first['control']:.2f} dB",
                "",
                "| decoder | GFLOP | " + " | ".join(METRICS.values()) + " |",
                "| --- |" + " --- |" * (1 + len(METRICS)),
            ]
        cost = counted({**preset("tiny"), **changes})
        cells = " | ".join(
            f"{rows[metric]['value']:.3f} ({rows[metric]['ci_low']:.3f} … "
            f"{rows[metric]['ci_high']:.3f})"
            for metric in METRICS
        )
        lines.append(f"| {name} | {cost['gflop']:.2f} | {cells} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    run = Path(sys.argv[1])
    with ThreadPoolExecutor(int(os.environ.get("JOBS", "2"))) as pool:
        list(pool.map(lambda name: train(run, name), VARIANTS))
    if len(sys.argv) == 3:
        readme = Path(sys.argv[2])
        put_between(readme, "quality", table(run))
        rows = [row for name in VARIANTS for row in scores(run, name).values()]
        lines = [json.dumps(row) + "\n" for row in rows]
        (readme.parent / "quality.jsonl").write_text("".join(lines))
    else:
        print(table(run))
