"""The precision that a device computes fast in, for runs that leave it open."""

from typing import Any

import torch

AUTO = "auto"


def chosen_precision(trainer: dict[str, Any]) -> str:
    """What `trainer.precision` says, or for "auto" bf16-mixed where the device has bfloat16.

    A processor without AVX-512 bf16 or AMX computes bfloat16 by emulation: a step of stage 2 took
    ten times as long there as in float32.

    Args:
        trainer: the configuration's part of that name: `precision` and `accelerator`.
    """
    if trainer["precision"] != AUTO:
        return trainer["precision"]
    on_gpu = trainer["accelerator"] != "cpu" and torch.cuda.is_available()
    has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False) if on_gpu else cpu_has_bf16()
    return "bf16-mixed" if has_bf16 else "32-true"


def cpu_has_bf16() -> bool:
    """Whether this machine's processor multiplies in bfloat16."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
