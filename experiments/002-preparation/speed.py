"""What preparing real clips costs: by step, with one process and with two, and the slowest step.

usage: python speed.py DATA RUN OUT.json [README.md]

DATA is a folder with lrw_ar/, grid/, lrs3/, hdtf/ and elospheres/ (those that are there);
VASA_WEIGHTS names the frozen experts. Prepares the same clips (at most 3 a speaker) with one worker
and with two, each from nothing, profiles one clip a speaker, and reckons the core hours of
VoxCeleb2. Run it on an idle machine: CPU seconds bear
other work beside, wall times do not.
"""

import cProfile
import json
import os
import platform
import pstats
import resource
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from data_prep.clip import prepare_clip
from data_prep.experts import PrepExperts
from data_prep.index import SplitRule, find_clips
from data_prep.settings import PrepSettings
from data_prep.step_clock import StepClock
from vasa.evaluation.report.marks import put_between

SIZE = 256
PER_SPEAKER = 3
INCLUDE = ("lrw_ar/*", "grid/*", "lrs3/*", "hdtf/*", "elospheres/*")
"""Sets as users have them; a folder of odd files would say more of its odd files."""
VOXCELEB2_HOURS = 2_400
"""About, of the development and test parts together (VoxCeleb2, Chung et al. 2018, table 1)."""


def prepare(data: Path, output: Path, *, workers: int) -> dict[str, Any]:
    """One preparation from nothing, by the command."""
    shutil.rmtree(output, ignore_errors=True)
    words = ["prep", "data=folder", f"input={data}", f"output={output}", f"size={SIZE}"]
    words += [f"per_speaker={PER_SPEAKER}", f"workers={workers}"]
    words += [f"include=[{','.join(INCLUDE)}]"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    subprocess.run([sys.executable, "-m", "vasa.cli", *words], check=True)
    wall = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    summary = json.loads((output / "done.json").read_text())["summary"]
    video_s = sum(summary["frames"].values()) / 25
    return {
        "workers": workers,
        "files": summary["files"],
        "clips": sum(summary["clips"].values()),
        "video_s": video_s,
        "wall_s": wall,
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mib": after.ru_maxrss / 1024,
        "step_s": summary["step_seconds"],
    }


def profile(data: Path) -> list[dict[str, Any]]:
    """Where the time of one clip goes: the functions with the most time of their own."""
    torch.set_num_threads(1)
    conf = Path(__file__).resolve().parents[2] / "conf" / "prep.yaml"
    given = {"input": str(data), "output": "unused", "size": SIZE}
    merged = OmegaConf.merge(OmegaConf.structured(PrepSettings), OmegaConf.load(conf), given)
    settings = OmegaConf.to_object(merged)
    assert isinstance(settings, PrepSettings)
    recipe = settings.recipe()
    experts = PrepExperts(recipe)
    clips = find_clips(data, rule=SplitRule(val=0, test=0), include=INCLUDE, per_speaker=1)
    for clip in clips[:2]:  # the networks' first calls are slow
        list(prepare_clip(clip, recipe, experts, StepClock()))
    profiler = cProfile.Profile()
    profiler.enable()
    for clip in clips:
        list(prepare_clip(clip, recipe, experts, StepClock()))
    profiler.disable()
    stats: Any = pstats.Stats(profiler)
    total = stats.total_tt
    rows = []
    for (file, line, name), (_, calls, own, _, _) in stats.stats.items():
        place = name if file in ("~", "") else f"{Path(file).parent.name}/{Path(file).name}:{name}"
        rows.append({"function": place, "line": line, "calls": calls, "share": own / total})
    return sorted(rows, key=lambda row: -row["share"])[:8]


def measure(data: Path, run: Path) -> dict[str, Any]:
    """One worker, two workers, the profile, and what they say of VoxCeleb2."""
    root = Path(__file__).resolve().parents[2]
    asked = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False
    )
    runs = [prepare(data, run / f"workers-{workers}", workers=workers) for workers in (1, 2)]
    cost = runs[0]["cpu_s"] / runs[0]["video_s"]
    return {
        "commit": asked.stdout.strip(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, torch {torch.__version__}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "size": SIZE,
        "runs": runs,
        "profile": profile(data),
        "voxceleb2_core_hours": cost * VOXCELEB2_HOURS,
    }


def table(found: dict[str, Any]) -> str:
    """The measurement as Markdown."""
    one, two = found["runs"]
    total = sum(one["step_s"].values())
    lines = [
        f"{one['files']} files, {one['clips']} clips, {one['video_s']:.0f} s of video at "
        f"{found['size']} px; commit {found['commit'][:12]}, {found['machine']}, "
        f"{found['date'][:10]}.",
        "",
        "| workers | wall s | clips/s | CPU s a video s | speed-up | largest process |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in found["runs"]:
        lines.append(
            f"| {row['workers']} | {row['wall_s']:.0f} | {row['clips'] / row['wall_s']:.2f} "
            f"| {row['cpu_s'] / row['video_s']:.2f} | {one['wall_s'] / row['wall_s']:.2f} "
            f"| {row['peak_mib']:.0f} MiB |"
        )
    lines += ["", "| step | CPU s a video s | share |", "| --- | --- | --- |"]
    for name, seconds in sorted(one["step_s"].items(), key=lambda item: -item[1]):
        lines.append(f"| {name} | {seconds / one['video_s']:.3f} | {seconds / total:.0%} |")
    lines += ["", "| own time, one clip a speaker | calls | share |", "| --- | --- | --- |"]
    for row in found["profile"]:
        lines.append(f"| `{row['function']}` | {row['calls']} | {row['share']:.0%} |")
    lines += [
        "",
        f"VoxCeleb2 (about {VOXCELEB2_HOURS:,} h) would take about "
        f"{found['voxceleb2_core_hours']:,.0f} core hours at {SIZE} px by the one-worker row, such "
        f"as {found['voxceleb2_core_hours'] / 512:.1f} h on 512 cores.",
    ]
    return "\n".join(lines) + "\n"


def publish(found: dict[str, Any], readme: Path) -> None:
    """Replace what stands between the marks of `readme`."""
    put_between(readme, "speed", table(found))


def main(words: list[str]) -> None:
    """Measure, write the record, and the tables where a README is named."""
    if len(words) not in (3, 4):
        sys.exit(__doc__)
    found = measure(Path(words[0]), Path(words[1]))
    Path(words[2]).write_text(json.dumps(found, indent=1) + "\n")
    print(table(found), end="")
    if len(words) == 4:
        publish(found, Path(words[3]))


if __name__ == "__main__":
    main(sys.argv[1:])
