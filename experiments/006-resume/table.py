"""Records of kills.py to results.jsonl and the table of the README.

usage: python experiments/006-resume/table.py RUN [EXPERIMENT]

RUN is the folder of run.sh; EXPERIMENT, this folder if none is given, holds the README. Of cases
that RUN does not have, rows of the table and results stay, with the commit that they are of.
"""

import json
import signal
import sys
from pathlib import Path
from typing import Any

from cases import CASES, SEED
from scipy.stats import binomtest

from vasa.evaluation.report.marks import put_between
from vasa.evaluation.results import ResultRow, measured_row, read_rows, write_rows
from vasa.training.run_folder import describe_environment

STAGES = ("start-up", "training", "saving", "end")


def rows_of(records: list[dict[str, Any]], stamp: dict[str, Any]) -> list[ResultRow]:
    """Kills of both kinds and the share of equal runs over all cases; what wandb's file lacks."""
    kills = sum(len(record["kills"]) for record in records)
    rounds = [one["is_equal"] for record in records for one in record["rounds"]]
    controls = [record["control_is_equal"] for record in records]
    interval = binomtest(sum(rounds), len(rounds)).proportion_ci()
    number = measured_row(
        metric="resume/kills",
        value=float(kills),
        unit="kills",
        n=kills,
        stamp=stamp,
        note="signals that ended a training before it was done",
        higher_is_better=True,
    )
    num_hard = sum(len(_hard(record)) for record in records)
    hard = measured_row(
        metric="resume/sigkills",
        value=float(num_hard),
        unit="kills",
        n=num_hard,
        stamp=stamp,
        note="SIGKILLs among them; the others were SIGTERM and SIGUSR1, answered by saving",
        higher_is_better=True,
    )
    share = ResultRow(
        metric="resume/bit_equal_share",
        value=sum(rounds) / len(rounds),
        control=sum(controls) / len(controls),
        control_name="undisturbed runs of another seed",
        split="",
        n=len(rounds),
        unit="share of runs",
        higher_is_better=True,
        ci_low=interval.low,
        ci_high=interval.high,
        note="killed runs whose weights, optimisers, average, adversary and metrics are those of "
        "the undisturbed run to the bit; interval of Clopper and Pearson",
        stamp=stamp,
    )
    return [number, hard, share, *_offline_rows(records, stamp)]


def _offline_rows(records: list[dict[str, Any]], stamp: dict[str, Any]) -> list[ResultRow]:
    rounds = [one for record in records for one in record["rounds"] if "offline_lost" in one]
    if not rounds:
        return []
    num = sum(one["steps"] for one in rounds)
    return [
        measured_row(
            metric="resume/offline_lines_lost",
            value=float(sum(one["offline_lost"] for one in rounds)),
            unit=f"of {num} lines",
            n=num,
            stamp=stamp,
            note="lines of metrics.jsonl that the offline file of a killed run's last start lacks",
            higher_is_better=False,
        )
    ]


def _hard(record: dict[str, Any]) -> list[str]:
    """Stages that a SIGKILL struck."""
    return [kill["stage"] for kill in record["kills"] if kill["signal"] == signal.SIGKILL]


def table(records: list[dict[str, Any]], stamp: dict[str, Any], before: str) -> str:
    """A line a case, in the order of CASES; lines of other cases as they were before."""
    dirty = "+changes" if stamp["is_dirty"] else ""
    made = f"{str(stamp['commit'])[:8]}{dirty}, {stamp['date'][:10]}"
    rows = {line.split("|")[1].strip(): line for line in before.splitlines() if "|" in line}
    rows |= {record["case"]: _row(record, made) for record in records}
    lines = [
        stamp["machine"],
        "",
        f"| case | SIGKILLs: {', '.join(STAGES)} | SIGTERM, SIGUSR1 | runs compared "
        "| equal to the bit | lines of metrics missing, doubled | another seed equal "
        "| undisturbed, s | commit |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(rows[name] for name in CASES if name in rows),
    ]
    return "\n".join(lines) + "\n"


def _row(record: dict[str, Any], made: str) -> str:
    kills, rounds, hard = record["kills"], record["rounds"], _hard(record)
    gentle = [
        sum(kill["signal"] == number for kill in kills)
        for number in (signal.SIGTERM, signal.SIGUSR1)
    ]
    cells = [
        record["case"],
        f"{len(hard)}: {', '.join(str(hard.count(name)) for name in STAGES)}",
        ", ".join(map(str, gentle)),
        str(len(rounds)),
        f"{sum(one['is_equal'] for one in rounds)} of {len(rounds)}",
        f"{sum(one['missing'] for one in rounds)}, {sum(one['doubled'] for one in rounds)}",
        "yes" if record["control_is_equal"] else "no",
        f"{record['seconds'][1]:.0f}",
        made,
    ]
    return f"| {' | '.join(cells)} |"


def main(run: Path, experiment: Path) -> None:
    paths = [run / name / "record.json" for name in CASES]
    records = [json.loads(path.read_text()) for path in paths if path.is_file()]
    records = [record for record in records if record["rounds"]]
    if not records:
        sys.exit(f"expected records of finished cases in {run}, found none; run run.sh first")
    environment = describe_environment(device="cpu")
    stamp = {
        "command": "bash experiments/006-resume/run.sh RUN",
        "commit": environment["commit"],
        "is_dirty": environment["is_dirty"],
        "machine": f"{environment['processor']}, {environment['cpu_count']} CPUs",
        "date": environment["started_at"],
        "device": "cpu",
        "seed": SEED,
        "cases": [record["case"] for record in records],
    }
    results, readme = experiment / "results.jsonl", experiment / "README.md"
    known = read_rows(results) if results.is_file() else []
    kept = [row for row in known if not set(row.stamp["cases"]) & set(stamp["cases"])]
    write_rows(results, [*kept, *rows_of(records, stamp)])
    put_between(readme, "kills", table(records, stamp, readme.read_text()))


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else here)
