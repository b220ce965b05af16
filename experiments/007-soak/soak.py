"""A long training watched from outside: memory, open files, speed; and how long the start takes.

usage: PYTHONPATH=experiments python experiments/007-soak/soak.py RUN [STEPS [EXPERIMENT]]

Makes its own data and expert in RUN, trains stage 1 tiny for STEPS (2000) with two loader workers,
half of them of the encoders alone, and reads /proc every 5 steps: of the command and of its
workers. Then the table, the plot and results.jsonl in EXPERIMENT (this folder if none is given).
Killed, it begins its training anew: a soak is one process's life.
"""

import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from killing import finish
from matplotlib.figure import Figure
from watching import Look, watch

from vasa.evaluation.report.marks import put_between
from vasa.evaluation.results import ResultRow, measured_row, write_rows

FLOOR_STEPS = 100
"""A look at a random moment of a step sees activations as well: of so many steps the least look
counts, what is held between them."""
RESAMPLES, BLOCK = 2000, 2
FIRST, LAST = (0.05, 0.15), 0.1
"""Of all steps: whose speed is compared; of 2,000 steps 100 to 300 and 200."""
SEED = 0
PEOPLE = ("people.train=16", "people.val=2", "people.test=0", "seconds=2", "workers=1")


def floors(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least value of every `FLOOR_STEPS` steps and the step of it."""
    parts = (steps // FLOOR_STEPS).astype(int)
    groups = [np.flatnonzero(parts == part) for part in np.unique(parts)]
    least = [group[values[group].argmin()] for group in groups]
    return steps[least], values[least]


def slope(steps: np.ndarray, values: np.ndarray, rng: np.random.Generator) -> tuple[float, ...]:
    """Value and 95% interval of a line's slope per 1,000 steps.

    Values after one another are alike, so whole blocks of residuals are drawn again.
    """
    line = np.polyfit(steps, values, 1)
    residuals = values - np.polyval(line, steps)
    num, block = len(steps), min(BLOCK, len(steps))
    starts = rng.integers(0, num - block + 1, size=(RESAMPLES, -(-num // block)))
    chosen = (starts[:, :, None] + np.arange(block)).reshape(RESAMPLES, -1)[:, :num]
    away = steps - steps.mean()
    slopes = line[0] + residuals[chosen] @ away / np.square(away).sum()
    low, high = np.percentile(slopes, [2.5, 97.5])
    return 1000 * line[0], 1000 * low, 1000 * high


def seconds_of_help(num: int) -> list[float]:
    """`vasa --help`, by the clock."""
    taken = []
    for _ in range(num):
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "vasa.cli", "--help"], check=True, stdout=subprocess.DEVNULL
        )
        taken.append(time.monotonic() - began)
    return taken


def measured(
    looks: list[Look], lines: list[dict[str, Any]], starts: dict[str, Any], stamp: dict[str, Any]
) -> list[ResultRow]:
    """The numbers; phases of different speed are compared with themselves."""
    rng = np.random.default_rng(SEED)
    num_steps, encoder_steps = lines[-1]["step"], starts["encoder_steps"]
    workers = max(one.num_workers for one in looks)  # at the end they go one by one
    looks = [one for one in looks if one.num_workers == workers]
    begin = encoder_steps + FLOOR_STEPS  # until then all networks have run and caches are full
    settled = [one for one in looks if begin <= one.step < num_steps] or looks[1:]
    steps = np.array([one.step for one in settled], float)
    held = {
        "command_mb": [one.main_own_mb for one in settled],
        "worker_mb": [one.workers_mb / max(workers, 1) for one in settled],
        "files": [float(one.files + one.worker_files) for one in settled],
    }
    found = {}
    for name, values in held.items():
        times, least = floors(steps, np.array(values))
        found[name] = slope(times, least, rng)
    found = {"mb": max(found["command_mb"], found["worker_mb"]), **found}
    rows = []
    for name, (value, low, high) in found.items():
        rows.append(
            ResultRow(
                metric=f"soak/{name}_per_1000_steps",
                value=value,
                control=None,
                control_name="",
                split="",
                n=len(times),
                unit="open files" if name == "files" else "MB",
                higher_is_better=False,
                ci_low=low,
                ci_high=high,
                note=f"slope of a line through the least of every {FLOOR_STEPS} steps after step "
                f"{int(steps[0]) - 1}; interval by drawing blocks of residuals again"
                + ("; of the process that grows most" if name == "mb" else ""),
                stamp=stamp,
            )
        )
    begin, end = (encoder_steps + int(share * num_steps) for share in FIRST)
    last = int(LAST * num_steps)
    speeds = (_speed(lines, begin, end), _speed(lines, num_steps - last, num_steps))
    rows.append(
        measured_row(
            metric="soak/throughput_ratio",
            value=speeds[1] / speeds[0] if speeds[0] else float("nan"),
            unit="ratio",
            n=num_steps,
            stamp=stamp,
            note=f"steps a second of the last {last} steps over those of steps {begin} to {end}, "
            "both of the whole network's phase, by the clock",
            higher_is_better=True,
        )
    )
    for name, values in (("help_s", starts["help_s"]), ("first_step_s", [starts["first_s"]])):
        rows.append(
            measured_row(
                metric=f"startup/{name}",
                value=statistics.median(values),
                unit="s",
                n=len(values),
                stamp=stamp,
                note="median by the clock, from the start of the process",
                higher_is_better=False,
            )
        )
    return rows


def _speed(lines: list[dict[str, Any]], begin: int, end: int) -> float:
    """Steps a second between two steps; 0 where there are none."""
    chosen = [line for line in lines if begin <= line["step"] <= end]
    if len(chosen) < 2:
        return 0.0
    seconds = chosen[-1]["time_s"] - chosen[0]["time_s"]
    return (chosen[-1]["step"] - chosen[0]["step"]) / max(seconds, 1e-9)


def draw(looks: list[Look], encoder_steps: int, path: Path) -> None:
    """Memory and open files over the steps."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    steps = [one.step for one in looks]
    above.plot(steps, [one.main_own_mb for one in looks], label="command")
    above.plot(steps, [one.workers_mb for one in looks], label="loader workers")
    above.set_ylabel("own memory, MB")
    above.set_ylim(bottom=0)
    above.legend()
    below.plot(steps, [one.files for one in looks])
    below.plot(steps, [one.worker_files for one in looks])
    below.set_ylabel("open files")
    below.set_xlabel("step")
    for axes in (above, below):
        axes.axvline(encoder_steps, color="grey", linewidth=0.8, linestyle=":")
    figure.savefig(path, dpi=110)


def table(rows: list[ResultRow], looks: list[Look], stamp: dict[str, Any]) -> str:
    """Numbers, and the first and last looks."""
    dirty = "+changes" if stamp["is_dirty"] else ""
    lines = [
        f"commit {str(stamp['commit'])[:12]}{dirty}, {stamp['machine']}, {stamp['date'][:10]}, "
        f"{looks[-1].step} steps",
        "",
        "| number | value | 95% interval | unit |",
        "| --- | --- | --- | --- |",
    ]
    for row in rows:
        has_interval = row.ci_low == row.ci_low
        interval = f"{row.ci_low:.2f} … {row.ci_high:.2f}" if has_interval else "—"
        lines.append(f"| `{row.metric}` | {row.value:.2f} | {interval} | {row.unit} |")
    lines += [
        "",
        "| step | command, MB | its own, MB | workers' own, MB | open files | of workers |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for index in sorted({*np.linspace(0, len(looks) - 1, 6).astype(int).tolist()}):
        one = looks[index]
        lines.append(
            f"| {one.step} | {one.main_mb:.0f} | {one.main_own_mb:.0f} | {one.workers_mb:.0f} "
            f"| {one.files} | {one.worker_files} |"
        )
    return "\n".join(lines) + "\n"


def main(run: Path, num_steps: int, experiment: Path) -> None:
    run.mkdir(parents=True, exist_ok=True)
    log, soaked = run / "log.txt", run / "soak.json"
    if not soaked.is_file():
        encoder_steps = num_steps // 2
        quiet = ("logger=none", "seed=0")
        prepared = (
            ["synth", f"output={run}/data", "seed=0", *PEOPLE],
            ["train", "experiment=expert/loss", f"data.root={run}/data", f"run_dir={run}/expert"]
            + ["max_steps=20", "module.warmup_steps=5", "module.statistics_batches=2", *quiet]
            + ["data.batch_size=8", "data.held_out_batches=1"],
        )
        for words in prepared:
            if code := finish(words, log=log):
                sys.exit(f"vasa {words[0]} ended with code {code}, see {log}")
        words = ["train", "experiment=stage1/tiny", f"data.root={run}/data", *quiet]
        words += [f"module.expert={run}/expert", f"run_dir={run}/stage1", f"max_steps={num_steps}"]
        words += [f"module.encoder_steps={encoder_steps}", "data.num_workers=2", "log_every=1"]
        helps = seconds_of_help(5)
        looks, first_s = watch(words, run / "stage1", log=log)
        starts = {"help_s": helps, "first_s": first_s, "encoder_steps": encoder_steps}
        kept = {"looks": [asdict(one) for one in looks], "starts": starts}
        soaked.write_text(json.dumps(kept) + "\n")
    kept = json.loads(soaked.read_text())
    looks = [Look(**one) for one in kept["looks"]]
    lines = [json.loads(text) for text in (run / "stage1/metrics.jsonl").read_text().splitlines()]
    environment = json.loads((run / "stage1/env.json").read_text())
    stamp = {
        "command": "PYTHONPATH=experiments python experiments/007-soak/soak.py RUN "
        f"{lines[-1]['step']}",
        "commit": environment["commit"],
        "is_dirty": environment["is_dirty"],
        "machine": f"{environment['processor']}, {environment['cpu_count']} CPUs",
        "date": environment["started_at"],
        "device": "cpu",
        "seed": SEED,
    }
    rows = measured(looks, lines, kept["starts"], stamp)
    write_rows(experiment / "results.jsonl", rows)
    draw(looks, kept["starts"]["encoder_steps"], experiment / "soak.png")
    put_between(experiment / "README.md", "soak", table(rows, looks, stamp))


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    given = sys.argv[1:]
    if not 1 <= len(given) <= 3:
        sys.exit("usage: soak.py RUN [STEPS [EXPERIMENT]]")
    main(
        Path(given[0]),
        int(given[1]) if len(given) > 1 else 2000,
        Path(given[2]) if len(given) > 2 else here,
    )
