"""One measured speed or cost, and how rates are taken on a processor and on a GPU."""

import gc
import math
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from vasa.types import InputError

REFERENCE_PICTURES = {"cpu": 8, "cuda": 512}
"""Pictures of the reference convolution at once: a GPU would only wait between calls of eight."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A line of `vasa bench`.

    Attributes:
        metric: `<part>/<name>`.
        unit: frames/s, s, GB, ...
        value: the number; NaN where it was left out, which `note` gives the reason of.
        calls: how often the work was done.
        note: how it was measured, in a sentence.
    """

    metric: str
    unit: str
    value: float
    calls: int
    note: str = ""

    def ratio(self, reference: float) -> float | None:
        """A speed over the convolution's, a time over its; None for what is neither."""
        if math.isnan(self.value):
            return None
        if self.unit.endswith("/s"):
            return self.value / reference
        return self.value * reference if self.unit == "s" else None


def rate(
    work: Callable[[], int], *, seconds: float, wait: Callable[[], None] = lambda: None
) -> tuple[float, int]:
    """Units of work per second, and the number of calls; a first call warms up.

    Args:
        work: does some units of work and says how many.
        seconds: to go on for.
        wait: for what was started elsewhere, a GPU's kernels (`waiting_for`).
    """
    work()
    wait()
    units, calls, start = 0, 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds or not calls:
        units += work()
        wait()
        calls += 1
    return units / spent, calls


def waiting_for(device: str) -> Callable[[], None]:
    """Waits until the device has done all that it was given."""
    import torch

    return torch.cuda.synchronize if device == "cuda" else lambda: None


def reference_rate(device: str = "cpu") -> float:
    """Convolutions per second: 3 x 3, 32 to 32 channels, eight pictures of 64 px, float32."""
    import torch

    pictures = REFERENCE_PICTURES[device]
    images = torch.randn(pictures, 32, 64, 64, device=device)
    kernel = torch.randn(32, 32, 3, 3, device=device)

    def convolve() -> int:
        torch.nn.functional.conv2d(images, kernel, padding=1)
        return pictures // 8

    with torch.inference_mode():
        return rate(convolve, seconds=0.5, wait=waiting_for(device))[0]


def check_device(device: str) -> None:
    """Refuse a device that is not here.

    Raises:
        InputError: neither cpu nor cuda, or no CUDA device.
    """
    import torch

    if device not in REFERENCE_PICTURES:
        raise InputError(f"expected device=cpu or device=cuda, got device={device}")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("expected a CUDA device for device=cuda, found none; take device=cpu")


def device_name(device: str) -> str:
    """`cpu`, or the GPU's name."""
    import torch

    from vasa.evaluation import devices

    return devices.device_name(torch.device(device))


def peak_gb(device: str = "cpu") -> float:
    """Most memory held so far: by tensors on a GPU, else by this process, Python included."""
    import torch

    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def free_memory(device: str) -> None:
    """Give a GPU's memory back that no tensor uses, and begin to count anew."""
    import torch

    if device == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
