"""Trainings killed at random moments against ones that nothing disturbed.

usage: PYTHONPATH=experiments python experiments/006-resume/kills.py RUN CASE [KILLS|undisturbed]

RUN holds data/, expert/ and, for stage 2, motion/ (run.sh makes them). A case of cases.py is
trained once undisturbed and once with another seed, which must come to something else. Then it is
killed KILLS times (10): each kill waits for a stage of the run and for a random moment in it;
SIGKILL goes to the whole process group or to the command alone, in turn. A run that ends meanwhile
is compared and begun anew in another folder. At last SIGTERM and SIGUSR1, and the same command to
its end. Killed itself, this script goes on where it was.
"""

import hashlib
import json
import os
import random
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from cases import CASES, SEED
from killing import Stage, finish, is_newer, processes, strike
from offline import lost_lines

from vasa.training.logged import without_machine

SIGNALS_AFTER = (signal.SIGTERM, signal.SIGUSR1)


def content(root: Path) -> dict[str, str]:
    """SHA-256 of what a run came to, by part; the time that it took is none of it."""
    state = torch.load(root / "checkpoints" / "last.ckpt", weights_only=True)
    del state["callbacks"]["Record"]["time_s"]
    parts = {
        "model": _sha((root / "model" / "model.safetensors").read_bytes()),
        "metrics": _sha("\n".join(map(json.dumps, lines_of(root))).encode()),
        "average": _digest(state["callbacks"]["ModelEma"]),
        "order": _digest({key: state[key] for key in state if key.endswith("DataModule")}),
    }
    for name in ("state_dict", "optimizer_states", "lr_schedulers", "callbacks"):
        parts[name] = _digest(state[name])
    return parts


def lines_of(root: Path) -> list[dict[str, Any]]:
    """metrics.jsonl without clock and machine."""
    lines = [json.loads(text) for text in (root / "metrics.jsonl").read_text().splitlines()]
    return [without_machine(line) for line in lines]


def _digest(value: Any) -> str:
    digest = hashlib.sha256()

    def add(name: str, value: Any) -> None:
        if isinstance(value, torch.Tensor):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        elif isinstance(value, dict | list | tuple):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for key, child in items:
                add(f"{name}/{key}", child)
        else:
            digest.update(f"{name} {value!r}\n".encode())

    add("", value)
    return digest.hexdigest()


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _stages(first_s: float, whole_s: float, num: int, rng: random.Random) -> list[Stage]:
    """Moments of a run whose first line came after `first_s` and that took `whole_s`."""

    def has_line(root: Path, since: float) -> bool:
        return is_newer(root / "metrics.jsonl", since)

    def is_saving(root: Path, since: float) -> bool:
        return is_newer(root / "checkpoints" / ".saving.part", since)

    def is_ending(root: Path, since: float) -> bool:
        return any(is_newer(path, since) for path in root.glob("*model*"))

    kinds = [
        Stage(name="start-up", has_begun=lambda *_: True, longest_s=first_s),
        Stage(name="saving", has_begun=is_saving, longest_s=0.05),
        Stage(name="training", has_begun=has_line, longest_s=(whole_s - first_s) / 4),
        Stage(name="training", has_begun=has_line, longest_s=(whole_s - first_s) / 4),
        Stage(name="end", has_begun=is_ending, longest_s=0.02),
    ]
    chosen = [kinds[index % 4] for index in range(num - 1)]
    rng.shuffle(chosen)
    return [*chosen, kinds[4]][:num]


class Campaign:
    """One case; what is done stands in record.json and is not done again.

    Args:
        run: folder of the experiment.
        name: of the case.
        num_kills: SIGKILLs.
    """

    def __init__(self, run: Path, name: str, num_kills: int) -> None:
        self.run, self.name, self.num_kills = run, name, num_kills
        self.case = CASES[name]
        self.folder = run / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.mark = f"resume:{self.folder.resolve()}"
        self.log = self.folder / "log.txt"
        self.path = self.folder / "record.json"
        known = json.loads(self.path.read_text()) if self.path.is_file() else {}
        self.record: dict[str, Any] = {"case": name, "kills": [], "rounds": [], **known}
        for left in processes(self.mark):  # of this script, when it was killed itself
            os.kill(left, signal.SIGKILL)

    def undisturbed(self) -> tuple[dict[str, str], float, float]:
        """What the undisturbed run holds, when its first line came, how long it took."""
        whole = self.run / self.case.whole / "whole"
        times = whole / "times.json"
        if not times.is_file():
            begin = time.monotonic()
            self._finish(whole)
            took = time.monotonic() - begin
            trained = json.loads((whole / "metrics.jsonl").read_text().splitlines()[-1])["time_s"]
            times.write_text(json.dumps([took - trained, took]))
        another = self.run / self.case.whole / "another-seed"
        self._finish(another, seed=SEED + 1)
        expected, other = content(whole), content(another)
        self.record["control_is_equal"] = other["model"] == expected["model"]
        self.record["control_lines_equal"] = lines_of(another) == lines_of(whole)
        self.record["seconds"] = json.loads(times.read_text())
        self._keep()
        return (expected, *json.loads(times.read_text()))

    def go(self) -> None:
        """All kills that are left, then the end."""
        expected, first_s, whole_s = self.undisturbed()
        stages = _stages(first_s, whole_s, self.num_kills, random.Random(f"{SEED}/{self.name}"))
        numbers = [signal.SIGKILL] * self.num_kills + list(SIGNALS_AFTER)
        stages += stages[:2]
        while (index := len(self.record["kills"])) < len(numbers):
            root = self._root()
            if (root / "done.json").is_file():  # that kill came too late for another
                self._compare(root, expected)
                continue
            rng = random.Random(f"{SEED}/{self.name}/{index}/{root.name}")
            found = strike(
                self.case.command(self.run, root),
                root,
                stages[index],
                log=self.log,
                whole_group=index % 2 == 0 or index >= self.num_kills,
                rng=rng,
                number=numbers[index],
                mark=self.mark,
            )
            if found.is_killed:
                facts = {"stage": stages[index].name, "folder": root.name, "lines": _count(root)}
                self.record["kills"].append({**facts, **asdict(found)})
                self._keep()
                print(json.dumps(self.record["kills"][-1]), flush=True)
            elif found.exit_code:
                sys.exit(f"{root} ended with code {found.exit_code}, see {self.log}")
        root = self._root()
        if any(kill["folder"] == root.name for kill in self.record["kills"]):
            self._finish(root)
            self._compare(root, expected)
        if any(one.get("offline_lost") for one in self.record["rounds"]):
            sys.exit(f"{self.name}: an offline file of wandb lacks what was logged")
        if not all(one["is_equal"] for one in self.record["rounds"]):
            sys.exit(f"{self.name}: a killed training came to something else")

    def _root(self) -> Path:
        return self.folder / f"round-{len(self.record['rounds'])}"

    def _finish(self, root: Path, *, seed: int = SEED) -> None:
        words = self.case.command(self.run, root, seed=seed)
        if code := finish(words, log=self.log, mark=self.mark):
            sys.exit(f"{root} ended with code {code}, see {self.log}")

    def _compare(self, root: Path, expected: dict[str, str]) -> None:
        found, steps = content(root), [line["step"] for line in lines_of(root)]
        self.record["rounds"].append(
            {
                "folder": root.name,
                "kills": sum(kill["folder"] == root.name for kill in self.record["kills"]),
                "is_equal": found == expected,
                "differing": sorted(name for name in expected if expected[name] != found[name]),
                "steps": len(steps),
                "doubled": len(steps) - len(set(steps)),
                "missing": len(set(range(1, max(steps) + 1)) - set(steps)),
                "sha256": _sha(json.dumps(found, sort_keys=True).encode()),
            }
        )
        if self.case.logger == "wandb":
            self.record["rounds"][-1]["offline_lost"] = lost_lines(root)
        self._keep()
        print(json.dumps(self.record["rounds"][-1]), flush=True)

    def _keep(self) -> None:
        aside = self.path.with_name("record.json.part")
        aside.write_text(json.dumps(self.record, indent=2) + "\n")
        aside.replace(self.path)


def _count(root: Path) -> int:
    path = root / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def main() -> None:
    run, name = Path(sys.argv[1]), sys.argv[2]
    if name not in CASES:
        sys.exit(f"expected a case of {', '.join(CASES)}, got {name!r}")
    number = sys.argv[3] if len(sys.argv) > 3 else "10"
    if number == "undisturbed":  # another case needs what it comes to
        Campaign(run, name, 0).undisturbed()
    else:
        Campaign(run, name, int(number)).go()


if __name__ == "__main__":
    main()
