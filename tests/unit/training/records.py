"""What a run folder holds, for comparisons."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from vasa.training.logged import without_machine


def weights_of(run_dir: Path) -> dict[str, torch.Tensor]:
    """The exported network's."""
    return load_file(run_dir / "model" / "model.safetensors")


def metrics_of(run_dir: Path) -> list[dict[str, Any]]:
    """The record's lines without what differs between equal runs."""
    lines = [json.loads(text) for text in (run_dir / "metrics.jsonl").read_text().splitlines()]
    return [without_machine(line) for line in lines]
