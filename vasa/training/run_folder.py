"""The run folder: what a run is, where it stands, and what it left.

config.yaml overrides.txt env.json (and the diff_*.patch and packages_*.txt that it names)
metrics.jsonl checkpoints/ (last.ckpt is the newest) model/ samples/ .lock
(`vasa.training.run_lock`) and, only when all of it was done, done.json.
"""

import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from vasa.durable import sync_folder
from vasa.training.config import flat
from vasa.training.environment import (
    code_state,
    device_facts,
    distributions,
    ffmpeg_version,
    processor,
)
from vasa.training.logging import report
from vasa.types import InputError

PACKAGES = ("vasa", "torch", "torchaudio", "lightning", "hydra-core", "numpy")
OF_A_START = (
    *("started_at", "command", "commit", "is_dirty", "diff", "packages", "precision", "data_hash"),
    *("device", "gpu", "gpu_count", "driver", "cuda", "ffmpeg", "processor", "cpu_count"),
)
"""What env.json keeps of each start; beside them it has all of the last one."""


class RunFolder:
    """Paths and records of one run.

    Args:
        path: the folder; made by `open`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.metrics = self.path / "metrics.jsonl"
        self.checkpoints = self.path / "checkpoints"
        self.model = self.path / "model"
        self.samples = self.path / "samples"
        self.done = self.path / "done.json"

    def is_complete(self) -> bool:
        """Whether all of the run was done."""
        return _json_object(self.done) is not None

    def known_config(self) -> dict[str, Any] | None:
        """The configuration that the folder holds; None where there is none, or a torn one."""
        try:
            text = self.config.read_text()
            found = yaml.safe_load(text) if text.endswith("\n") else None
        except FileNotFoundError:
            return None
        except (UnicodeDecodeError, yaml.YAMLError):
            found = None
        return found if isinstance(found, dict) else None

    def check_same(self, config: dict[str, Any]) -> None:
        """Refuse a folder that holds another run.

        A config.yaml that a power cut tore, by a version that did not sync it, is no other run.

        Raises:
            InputError: naming the keys that differ.
        """
        known = self.known_config()
        if known is None:
            return
        before, now = flat(known), flat(config)
        differing = sorted(
            key for key in before | now if before.get(key, "unset") != now.get(key, "unset")
        )
        if differing:
            shown = "; ".join(
                f"{key}: {before.get(key, 'unset')} there, {now.get(key, 'unset')} now"
                for key in differing[:8]
            )
            raise InputError(
                f"{self.path} holds a run of another configuration ({shown}); "
                "give another run_dir, or remove that folder"
            )

    def precision(self) -> str | None:
        """What a run that was begun computes in; it is continued in the same, on any machine."""
        return (_json_object(self.path / "env.json") or {}).get("precision")

    def open(
        self, *, config: dict[str, Any], overrides: Sequence[str], environment: dict[str, Any]
    ) -> dict[str, Any]:
        """Make the folder and write down what is run; starts of a continued run are added up.

        Returns:
            What env.json says now.
        """
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        if self.config.is_file() and self.known_config() is None:
            report(f"{self.config} is torn, by a power cut? It is written anew from this command")
        write_atomically(self.config, yaml.safe_dump(config, sort_keys=False))
        write_atomically(self.path / "overrides.txt", "".join(f"{word}\n" for word in overrides))
        record = self.path / "env.json"
        before = _json_object(record) or {}
        if record.is_file() and "starts" not in before:
            report(f"{record} is torn, by a power cut? It is written anew, without earlier starts")
        starts = before.get("starts", [])
        environment = dict(environment)
        packages = "".join(
            f"{name}=={version}\n" for name, version in environment.pop("packages").items()
        )
        environment["packages"] = self._keep(packages, "packages_{}.txt")
        environment["diff"] = self._keep(environment["diff"], "diff_{}.patch")
        start = {name: environment[name] for name in OF_A_START if name in environment}
        _tell_of_other_data(starts, start)
        environment["starts"] = [*starts, start]
        write_atomically(record, json.dumps(environment, indent=2) + "\n")
        return environment

    def code_files(self) -> list[Path]:
        """What says which code, configuration and packages were run."""
        names = ["config.yaml", "overrides.txt", "env.json"]
        if (self.path / "env.json").is_file():
            noted = json.loads((self.path / "env.json").read_text())
            names += [noted[name] for name in ("diff", "packages") if noted.get(name)]
        return [self.path / name for name in names if (self.path / name).is_file()]

    def _keep(self, text: str, name: str) -> str | None:
        """A file named by its content, once for all starts that have it; none of no content."""
        if not text:
            return None
        name = name.format(hashlib.sha256(text.encode()).hexdigest()[:8])
        if not (self.path / name).is_file():
            write_atomically(self.path / name, text)
        return name

    def finish(self, record: dict[str, Any]) -> None:
        """Say that all of it was done."""
        write_atomically(self.done, json.dumps(record, indent=2) + "\n")

    def write_nonfinite(self, record: dict[str, Any]) -> None:
        """What ended a run that diverged."""
        write_atomically(self.path / "nonfinite.json", json.dumps(record, indent=2) + "\n")


def write_atomically(path: Path, text: str) -> None:
    """The whole text or the file as it was, after a power cut too; one process at a time."""
    aside = path.with_name(f".{path.name}.part")
    with aside.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())  # before the name: else it may come to stand for an empty file
    aside.replace(path)
    sync_folder(path.parent)


def _json_object(path: Path) -> dict[str, Any] | None:
    """What a JSON file holds; None where there is none, or one that a power cut tore."""
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):  # of decoding, too
        return None
    return found if isinstance(found, dict) else None


def _tell_of_other_data(starts: Sequence[Any], start: dict[str, Any]) -> None:
    """A set that was made anew under a run is nothing that its configuration shows."""
    known = [one["data_hash"] for one in starts if isinstance(one, dict) and one.get("data_hash")]
    now = start.get("data_hash")
    if known and now and known[-1] != now:
        report(
            f"the data set is another than when the run was last started (index {known[-1][:8]} "
            f"then, {now[:8]} now); training goes on with it, env.json names both"
        )


def describe_environment(*, device: str) -> dict[str, Any]:
    """Commit, uncommitted changes, versions, machine and command line of this process."""
    packages = distributions()
    return {
        "command": _command_line(),
        **code_state(Path(__file__).resolve().parents[2]),
        "versions": {
            "python": platform.python_version(),
            **{name: packages[name] for name in PACKAGES if name in packages},
        },
        "packages": packages,
        "ffmpeg": ffmpeg_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "cpu_count": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        **device_facts(device),
        "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _command_line() -> list[str]:
    """As the user typed it: a command's program is vasa/cli/<command>.py, Hydra's own keys are
    the command's doing."""
    program = Path(sys.argv[0])
    words = [word for word in sys.argv[1:] if not word.startswith(("hydra.", "hydra/"))]
    is_command = program.parent.name == "cli" and program.suffix == ".py"
    return ["vasa", program.stem, *words] if is_command else [program.name, *words]
