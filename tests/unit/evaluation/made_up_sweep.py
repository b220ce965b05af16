"""Run folders of a sweep as training leaves them, without training."""

import json
import os
import time
from pathlib import Path
from typing import Any

import yaml


def write_member(
    root: Path, name: str, *, loss: float, lr: float, seed: int, state: str = "done", **more: Any
) -> Path:
    """A member with two lines of metrics, of which the last says `loss`.

    Args:
        root: of the sweep.
        name: of the folder.
        loss: last train/loss.
        lr: module.lr.
        seed: of all of its parts.
        state: done, stopped, running, or crashed before it began.
        more: keys of the configuration.
    """
    folder = root / name
    folder.mkdir(parents=True)
    config = {"stage": "stage2", "name": "tiny", "seed": seed, "run_dir": str(folder)} | more
    config |= {"max_steps": 20, "module": {"lr": lr, "seed": seed}}
    if state == "crashed":
        record = {"error": "OSError: a | b", "config": config}
        (folder / "error.json").write_text(json.dumps(record))
        return folder
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    starts = ["a", "b"] if name.endswith("preempted") else ["a"]
    (folder / "env.json").write_text(json.dumps({"starts": starts, "command": ["vasa", "train"]}))
    lines = [{"step": 10, "train/loss": 9.0}, {"step": 20, "train/loss": loss, "val/a": 2 * loss}]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if state == "done":
        record = {"step": 20, "time_s": 3.0, "model_hash": name.ljust(8, "0") * 8}
        (folder / "done.json").write_text(json.dumps(record))
    elif state == "stopped":
        old = time.time() - 4000
        for path in folder.iterdir():
            os.utime(path, (old, old))
    return folder


def write_results(path: Path, *, value: float, model: str = "", date: str = "2026") -> None:
    """One measured number, of a model where one is named."""
    path.parent.mkdir(parents=True, exist_ok=True)
    row = {"metric": "generated/mouth_correlation", "value": value, "higher_is_better": True}
    row |= {"date": date} | ({"models": {"stage2": model}} if model else {})
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")
