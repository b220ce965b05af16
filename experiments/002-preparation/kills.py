"""A preparation killed 20 times at random against one that nothing disturbed.

usage: PYTHONPATH=experiments python experiments/002-preparation/kills.py RUN OUT.json [SEED]

Prepares rendered people (`vasa synth format=clips`) and two files that are no movies, with two
workers, once undisturbed into RUN/whole and then into RUN/set-N, killed up to ten times each: every
kill waits for a stage, then for a random moment in it. SIGKILL goes to the whole process group or
to the command alone, in turn; a run that ends before its kill does not count. Then the same command
is run to the end, and what it holds must be what the undisturbed set holds, byte for byte.
"""

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from killing import HasBegun, Stage, finish, is_newer, strike

NUM_ROUNDS, NUM_PEOPLE = 2, 10
SHARDS = "[!.]*/*.tar"


def content(root: Path) -> dict[str, str]:
    """SHA-256 of what a set holds, by file: tars, tables (as rows), statistics, card, pictures."""
    digests = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
            data = f"{table.dtypes.to_dict()}\n{table.to_dict('records')}".encode()
        elif path.is_file() and name not in ("begun.json", "done.json"):
            data = path.read_bytes()
        else:
            continue
        digests[name] = hashlib.sha256(data).hexdigest()
    return digests


def leftovers(root: Path) -> list[str]:
    """What only a run under way may have in its folder."""
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.name in (".work", "begun.json") or path.suffix == ".part"
    )


def state_of(root: Path) -> dict[str, Any]:
    """How far a run got."""
    work = root / ".work"
    names = os.listdir(work) if work.is_dir() else []
    return {
        "prepared": sum(name.endswith(".tar") for name in names),
        "files": sorted(path.name for path in root.iterdir()) if root.is_dir() else [],
        "tars": sum(1 for _ in root.glob(SHARDS)),
    }


def _stages(rng: random.Random) -> list[Stage]:
    """Ten of them, in the order of a run."""

    def prepared(num: int) -> HasBegun:
        late = written("index.parquet")
        return lambda root, since: state_of(root)["prepared"] >= num or late(root, since)

    def written(pattern: str) -> HasBegun:
        return lambda root, since: any(is_newer(path, since) for path in root.glob(pattern))

    counts = sorted(rng.sample(range(1, NUM_PEOPLE), 3))
    return [
        Stage(name="start", has_begun=lambda root, since: True, longest_s=6.0),
        Stage(name="start", has_begun=lambda root, since: True, longest_s=6.0),
        *(
            Stage(name=f"preparing, {num} done", has_begun=prepared(num), longest_s=0.8)
            for num in counts
        ),
        Stage(name="tars", has_begun=written(SHARDS + "*"), longest_s=0.02),
        Stage(name="index", has_begun=written("index.parquet"), longest_s=0.05),
        Stage(name="card", has_begun=written("index.parquet"), longest_s=1.0),
        Stage(name="card", has_begun=written("card/*.png*"), longest_s=0.02),
        Stage(name="end", has_begun=written("card.md"), longest_s=0.01),
    ]


def main() -> None:
    run_folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    rng = random.Random(seed)
    raw, log = run_folder / "raw", run_folder / "log.txt"
    vasa = [sys.executable, "-m", "vasa.cli"]
    if not raw.is_dir():
        size = ["size=128", "seconds=1.6", "seed=0", "workers=1"]
        people = [f"people.train={NUM_PEOPLE}", "people.val=0", "people.test=0"]
        subprocess.run(
            [*vasa, "synth", "format=clips", f"output={raw}", *size, *people], check=True
        )
        for name in ("no_movie.mp4", "another.mp4"):
            (raw / name).write_text("this is no movie\n")
    words = ["prep", f"input={raw}", "size=64", "workers=2", "split.val=0.3", "split.test=0.2"]
    words += ["clip.max_outside=0.5", "clips_per_shard=3"]

    begin = time.monotonic()
    code = finish([*words, f"output={run_folder / 'whole'}"], log=log)
    assert code == 0, f"the undisturbed run failed, see {log}"
    whole_s = time.monotonic() - begin
    expected = content(run_folder / "whole")

    kills, rounds = [], []

    def end(root: Path) -> None:
        code = finish([*words, f"output={root}"], log=log)
        found = content(root)
        names = expected.keys() | found.keys()
        rounds.append(
            {
                "folder": root.name,
                "kills": sum(kill["folder"] == root.name for kill in kills),
                "exit_code": code,
                "is_identical": found == expected,
                "differing": sorted(n for n in names if expected.get(n) != found.get(n)),
                "leftovers": leftovers(root),
                "sha256": _of_all(found),
            }
        )
        print(json.dumps(rounds[-1]), flush=True)

    for _ in range(NUM_ROUNDS):
        root = run_folder / f"set-{len(rounds)}"
        for stage in _stages(rng):
            is_killed = False
            while not is_killed:
                if (root / "done.json").is_file():  # that kill came too late for another
                    end(root)
                    root = run_folder / f"set-{len(rounds)}"
                command = [*words, f"output={root}"]
                whole_group = len(kills) % 2 == 0
                found = strike(command, root, stage, log=log, whole_group=whole_group, rng=rng)
                is_killed = found.is_killed
                if is_killed:
                    kills.append(
                        {
                            "folder": root.name,
                            "stage": stage.name,
                            "signal_to": "group" if whole_group else "command",
                            **asdict(found),
                            "existed": state_of(root),
                        }
                    )
                    print(json.dumps(kills[-1]), flush=True)
        end(root)
    record = {
        "seed": seed,
        "undisturbed": {
            "seconds": round(whole_s, 1),
            "sha256": _of_all(expected),
            "files": expected,
        },
        "kills": kills,
        "rounds": rounds,
    }
    out.write_text(json.dumps(record, indent=2) + "\n")
    if not all(r["is_identical"] and r["exit_code"] == 0 and not r["leftovers"] for r in rounds):
        sys.exit("a killed preparation came to something else")


def _of_all(digests: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


if __name__ == "__main__":
    main()
