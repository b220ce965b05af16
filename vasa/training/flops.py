"""Floating-point operations of a training step, counted while it runs, and what a device can do."""

import contextlib
from collections.abc import Hashable
from typing import Any

import lightning
import torch
from lightning.pytorch import Callback
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from vasa.training.step_seeds import step_of

LOOKS = 2
"""Steps counted in each phase: the least of them has no validation in it."""
PEAKS_TFLOPS = {
    "H200": {"16": 989.0, "32": 67.0},
    "H100 PCIe": {"16": 756.0, "32": 51.0},
    "H100": {"16": 989.0, "32": 67.0},
    "A100": {"16": 312.0, "32": 19.5},
    "L40S": {"16": 362.0, "32": 91.6},
    "RTX 4090": {"16": 165.2, "32": 82.6},
    "RTX 3090": {"16": 71.0, "32": 35.6},
    "V100": {"16": 125.0, "32": 15.7},
}
"""Dense products in 16 and 32 bits, from NVIDIA's data sheets; the first name that fits counts."""


class StepFlops(Callback):
    """Counts matrix products, convolutions and attention of a step, forwards and backwards.

    As torch.utils.flop_counter counts them (2 for a multiplication and an addition), but it only
    looks on: operations are passed through as they are, so weights, gradients and random states
    are those of a step that nobody counts, and one that cannot be counted stops nothing. What is
    computed twice to save memory counts twice; frozen networks that losses look through count too.

    A module whose steps differ in kind defines `phase(step) -> Hashable`; each phase is counted.

    Attributes:
        total: since the start, of this process's rows alone.
    """

    def __init__(self) -> None:
        self.total = 0
        self._phase: Hashable = None
        self._least: dict[Hashable, int] = {}
        self._looks: dict[Hashable, int] = {}
        self._counter: _Counter | None = None

    def on_train_batch_start(self, trainer: lightning.Trainer, pl_module: Any, *_: Any) -> None:
        """Look at the first steps of a phase."""
        self._phase = _phase_of(pl_module, step_of(trainer))
        if self._looks.get(self._phase, 0) < LOOKS:
            self._counter = _Counter()
            self._counter.__enter__()

    def on_train_batch_end(self, *_: Any) -> None:
        """The look ends before pictures, averages and checkpoints are made."""
        if self._counter is not None:
            found = self._counter.flops
            self._stop()
            self._looks[self._phase] = self._looks.get(self._phase, 0) + 1
            self._least[self._phase] = min(self._least.get(self._phase, found), found)
        self.total += self._least.get(self._phase, 0)

    def on_exception(self, *_: Any, **__: Any) -> None:
        """A step that ended in an error is looked at no longer."""
        self._stop()

    def _stop(self) -> None:
        if self._counter is not None:
            self._counter.__exit__(None, None, None)
            self._counter = None


class _Counter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            with contextlib.suppress(Exception):  # never the run's end
                self.flops += formula(*args, **(kwargs or {}), out_val=found)
        return found


def _phase_of(module: Any, step: int) -> Hashable:
    return module.phase(step) if hasattr(module, "phase") else None


def peak_tflops(device: torch.device, *, precision: str) -> float | None:
    """What a device reaches at most, TFLOP/s; None where nobody knows.

    Args:
        device: of the training.
        precision: Lightning's: `bf16-mixed`, `16-mixed`, `32-true`, ...
    """
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    bits = "16" if "16" in precision else "32"
    words = name.replace("-", " ")
    for known, peaks in PEAKS_TFLOPS.items():
        if all(word in words for word in known.split()):
            return peaks[bits]
    return None
