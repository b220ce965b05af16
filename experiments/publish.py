"""Puts a run's scores into a README, between its `<!-- results -->` marks.

usage: python experiments/publish.py RUN README

RUN holds `results.jsonl` (`vasa evaluate`). Rows and what was run come from that file alone.
"""

import json
import sys
from pathlib import Path
from typing import Any

from vasa.evaluation.report.marks import put_between

METRICS = (
    "self_reenactment/psnr",
    "self_reenactment/psnr_mouth",
    "self_reenactment/ssim",
    "self_reenactment/perceptual",
    "self_reenactment/landmark_nme",
    "self_reenactment/identity_similarity",
    "self_reenactment/identity_to_others",
    "cross_reenactment/pose_error",
    "cross_reenactment/mouth_correlation",
    "cross_reenactment/identity_similarity",
    "probe/z_dyn/mouth_opening_r2",
    "probe/z_dyn/blink_r2",
    "probe/z_dyn/gaze_r2",
    "probe/z_dyn/yaw_r2",
    "probe/z_dyn/pitch_r2",
    "probe/z_dyn/identity_r2",
    "generated/mouth_correlation",
    "sync/real_offset_accuracy",
    "sync/generated_confidence",
    "sync/real_confidence",
)


def _verdict(criterion: dict[str, Any]) -> str:
    return f"{'met' if criterion['passed'] else 'NOT met'}: {criterion['text']}"


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The main rows as Markdown, with the run that they come from."""
    first = rows["self_reenactment/psnr"]
    commit = first["commit"][:12] + ("+changes" if first["is_dirty"] else "")
    lines = [
        f"{first['n']} held-out clips, seed {first['seed']}, commit {commit}, "
        f"{first['machine']}, {first['date'][:10]}:",
        "",
        "| number | value | 95% CI | control | control is | unit | judged |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in METRICS:
        if row := rows.get(name):
            verdicts = "; ".join(_verdict(criterion) for criterion in row["criteria"])
            lines.append(
                f"| `{name}` | {row['value']:.3f} | {row['ci_low']:.3f} … {row['ci_high']:.3f} "
                f"| {row['control']:.3f} | {row['control_name']} | {row['unit']} | {verdicts} |"
            )
    return "\n".join(lines) + "\n"


def publish(run: Path, readme: Path) -> None:
    """Replace what stands between the marks of `readme`."""
    records = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    rows = {record["metric"]: record for record in records}
    put_between(readme, "results", table(rows))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    publish(Path(sys.argv[1]), Path(sys.argv[2]))
