"""What a run folder holds, for comparisons."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file


def weights_of(run_dir: Path) -> dict[str, torch.Tensor]:
    """The exported network's."""
    return load_file(run_dir / "model" / "model.safetensors")


def metrics_of(run_dir: Path) -> list[dict[str, Any]]:
    """The record's lines without the time."""
    lines = [json.loads(text) for text in (run_dir / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "time_s"} for line in lines]
