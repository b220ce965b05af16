"""Record of sweep.py to results.jsonl and the tables of the README.

usage: python experiments/011-slurm-sweep/table.py RUN [EXPERIMENT]

RUN is the folder of run.sh; EXPERIMENT, this folder if none is given, holds the README.
"""

import json
import sys
from pathlib import Path
from typing import Any

from sweep import SEEDS

from vasa.evaluation.report.marks import put_between
from vasa.evaluation.results import ResultRow, measured_row, write_rows
from vasa.training.run_folder import describe_environment


def rows_of(record: dict[str, Any], stamp: dict[str, Any]) -> list[ResultRow]:
    """Members done after each round, and how many came to the weights that they have alone."""
    num = len(record["members"])
    first, second = record["rounds"]
    told = f"one killed by SIGKILL, {len(record['preempted'])} preempted by an urgent job"
    done = [
        measured_row(
            metric=name,
            value=float(one["done"]),
            unit=f"of {num} members",
            n=num,
            stamp=stamp,
            note=note,
            higher_is_better=True,
        )
        for name, one, note in (
            ("slurm/sweep_members_done_first", first, told),
            ("slurm/sweep_members_done", second, f"{told}, then the same command again"),
        )
    ]
    return [*done, _equal_row(record, stamp)]


def _equal_row(record: dict[str, Any], stamp: dict[str, Any]) -> ResultRow:
    num = len(record["members"])
    pairs = list(zip(record["swept"], record["alone"], strict=True))
    others = [one == record["alone"][place - 1] for place, one in enumerate(record["swept"])]
    return ResultRow(
        metric="slurm/sweep_members_equal_alone",
        value=float(sum(one is not None and one == other for one, other in pairs)),
        control=float(sum(others)),
        control_name="against the member before it",
        split="",
        n=num,
        unit=f"of {num} members",
        higher_is_better=True,
        ci_low=float("nan"),
        ci_high=float("nan"),
        note="weights as of the same run without SLURM, to the bit",
        stamp=stamp,
    )


def table(record: dict[str, Any], stamp: dict[str, Any]) -> str:
    """A line a member, and what the command said."""
    dirty = "+changes" if stamp["is_dirty"] else ""
    first, second = record["rounds"]
    struck = dict.fromkeys(record["preempted"], "preempted, requeued")
    struck[record["killed"]] = "killed by SIGKILL"
    lines = [
        f"commit {str(stamp['commit'])[:12]}{dirty}, {stamp['machine']}, {stamp['date'][:10]}",
        "",
        "| member | what befell it | steps after the first command | after the second "
        "| starts | weights as without SLURM |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for place, name in enumerate(record["members"]):
        is_equal = record["swept"][place] == record["alone"][place]
        cells = [
            f"`{name}`",
            struck.get(place, ""),
            str(first["steps"][place]),
            str(second["steps"][place]),
            str(second["starts"][place]),
            "yes" if is_equal else "NO",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines.append("")
    for which, one in zip(("first", "second"), record["rounds"], strict=True):
        ended = f"exit code {one['exit_code']} after {one['seconds']:.0f} s"
        lines.append(f"The {which} command: {one['done']} of {len(first['steps'])} done, {ended}.")
        if one["said"]:
            lines += ["", *(f"    {line}" for line in one["said"]), ""]
    return "\n".join(lines) + "\n"


def main(run: Path, experiment: Path) -> None:
    record = json.loads((run / "record.json").read_text())
    environment = describe_environment(device="cpu")
    stamp = {
        "command": "bash experiments/011-slurm-sweep/run.sh RUN",
        "commit": environment["commit"],
        "is_dirty": environment["is_dirty"],
        "machine": f"{environment['processor']}, {environment['cpu_count']} CPUs",
        "date": environment["started_at"],
        "device": "cpu",
        "seed": list(SEEDS),
    }
    write_rows(experiment / "results.jsonl", rows_of(record, stamp))
    readme = experiment / "README.md"
    put_between(readme, "sweep", table(record, stamp).replace(str(run), "RUN"))
    report = (run / "sweep.md").read_text().replace(str(run), "RUN")
    below = report.split("\n", 1)[1].replace("\n### ", "\n#### ").replace("\n## ", "\n### ")
    put_between(readme, "report", below)


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]) if len(sys.argv) > 2 else here)
