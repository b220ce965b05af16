"""How fast a run goes, what it waits for, and what it takes of its machine."""

import contextlib
import os
import time
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch import Callback
from torch import Tensor

from vasa.training.flops import StepFlops, peak_tflops

GB = 1e9


class Speed(Callback):
    """Measurements between two lines of the record; goes last, and only rank zero is asked.

    Nothing waits for the device: rates are right over a line, whose logged losses do wait for it.

    - speed/steps_per_s, samples_per_s, frames_per_s: of all processes together.
    - speed/data_wait_share: share of the time from the end of one batch to the start of the next.
    - speed/tflops_per_s: of `StepFlops`, a device; speed/flops_utilisation: over the device's peak.
    - device/memory_gb: of this process, resident; of a GPU also device/gpu_memory_gb (the most
      since the last line) and device/gpu_utilisation (share of the last moment; needs pynvml).

    Args:
        flops: counts a step.
        peak: TFLOP/s that a device reaches at most; None: from a table, for GPUs that are in it.
        precision: Lightning's word, for the table.
    """

    def __init__(self, *, flops: StepFlops, peak: float | None, precision: str) -> None:
        self.flops, self.peak, self.precision = flops, peak, precision
        self._device = torch.device("cpu")
        self._left_at = 0.0
        self._begin()

    def _begin(self) -> None:
        self._since = time.monotonic()
        self._steps = self._samples = self._frames = 0
        self._flops_before = self.flops.total
        self._waited_s = 0.0

    def on_train_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """The clock starts with the first batch's loading."""
        self._device = trainer.strategy.root_device
        if self.peak is None:
            self.peak = peak_tflops(self._device, precision=self.precision)
        self._begin()
        self._left_at = self._since

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: Any, batch: dict[str, Tensor], *_: Any
    ) -> None:
        """The batch is there."""
        self._waited_s += time.monotonic() - self._left_at
        rows, frames = trainer.datamodule.size_of(batch)  # type: ignore[attr-defined]
        self._steps += 1
        self._samples += rows * trainer.world_size
        self._frames += frames * trainer.world_size

    def on_train_batch_end(self, *_: Any) -> None:
        """From now on the next one is waited for."""
        self._left_at = time.monotonic()

    def line(self) -> dict[str, float]:
        """Measurements since the last call; what cannot be measured here is left out."""
        seconds = max(1e-9, time.monotonic() - self._since)
        values = {
            "speed/steps_per_s": self._steps / seconds,
            "speed/samples_per_s": self._samples / seconds,
            "speed/frames_per_s": self._frames / seconds,
            "speed/data_wait_share": min(1.0, self._waited_s / seconds),
        }
        if counted := self.flops.total - self._flops_before:
            rate = counted / seconds / 1e12
            values["speed/tflops_per_s"] = rate
            if self.peak:
                values["speed/flops_utilisation"] = rate / self.peak
        values |= _device_values(self._device)
        self._begin()
        return values


def _device_values(device: torch.device) -> dict[str, float]:
    values = {}
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        values["device/memory_gb"] = pages * os.sysconf("SC_PAGE_SIZE") / GB
    if device.type == "cuda":
        values["device/gpu_memory_gb"] = torch.cuda.max_memory_allocated(device) / GB
        torch.cuda.reset_peak_memory_stats(device)
        with contextlib.suppress(Exception):  # no pynvml, or a driver that does not say
            values["device/gpu_utilisation"] = torch.cuda.utilization(device) / 100
    return values
