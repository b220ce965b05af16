"""Cost of one stage-1 model on this machine: operations, seconds a picture, and memory.

Each number of threads is measured in a process of its own, so that peak memory is that of this
model alone and an earlier measurement's threads do not linger.
"""

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds on some threads, and memory of the process.

    Attributes:
        decode_s: by the clock, one motion drawn.
        decode_cpu_s: of all threads together; what other work on the machine leaves alone.
        encode_s: by the clock, one portrait encoded.
        encode_cpu_s: the same of all threads.
        decode_peak_gb: most memory held until a motion was drawn, Python and weights included.
        encode_peak_gb: most memory held until a portrait was encoded.
        decodes: how often it was measured.
        encodes: how often it was measured.
    """

    decode_s: float
    decode_cpu_s: float
    encode_s: float
    encode_cpu_s: float
    decode_peak_gb: float
    encode_peak_gb: float
    decodes: int
    encodes: int


def decode_costs(
    config: dict[str, Any], *, name: str, threads: list[int], seconds: float
) -> Iterator[tuple[str, str, float, int]]:
    """Metric, unit, value and number of calls of each cost.

    Args:
        config: of the `FaceAutoencoder`.
        name: what the metrics are called by.
        threads: numbers of threads to measure with; the metrics of the first bear no number.
        seconds: spent on each measurement, at least one call after a first that warms up.
    """
    import torch

    from vasa.models.face_cost import face_cost
    from vasa.training.config import build

    with torch.device("meta"):
        cost = face_cost(build(OmegaConf.create(config)))
    start = f"decode/{name}"
    yield f"{start}_parameters", "million", sum(cost.parameters.values()) / 1e6, 1
    for part, count in cost.parameters.items():
        yield f"{start}_parameters/{part}", "million", count / 1e6, 1
    yield f"{start}_gflop", "GFLOP", sum(cost.decode_gflop.values()), 1
    for part, gflop in cost.decode_gflop.items():
        yield f"{start}_gflop/{part}", "GFLOP", gflop, 1
    yield f"{start}_sampling_gflop", "GFLOP", cost.decode_sampling_gflop, 1
    yield f"{start}_encode_gflop", "GFLOP", sum(cost.encode_gflop.values()), 1
    for count in threads:
        found = timing(config, threads=count, seconds=seconds)
        which = start if count == threads[0] else f"{start}_{count}_threads"
        yield f"{which}_cpu_s", "s", found.decode_cpu_s, found.decodes
        yield f"{which}_s", "s", found.decode_s, found.decodes
        yield f"{which}_encode_cpu_s", "s", found.encode_cpu_s, found.encodes
        yield f"{which}_encode_s", "s", found.encode_s, found.encodes
        yield f"{which}_peak_gb", "GB", found.decode_peak_gb, found.decodes
        yield f"{which}_encode_peak_gb", "GB", found.encode_peak_gb, found.encodes


def timing(config: dict[str, Any], *, threads: int, seconds: float) -> Timing:
    """Seconds and memory of the model on a number of threads, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_time_here, (config, threads, seconds))


def _time_here(config: dict[str, Any], threads: int, seconds: float) -> Timing:
    import torch

    from vasa.models.face_cost import blank_latents
    from vasa.training.config import build

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = build(OmegaConf.create(config)).eval()
    latents = blank_latents(net, num_motions=1)
    for value in (latents.app_volume, latents.z_id, latents.z_dyn):
        value.uniform_()
    image = torch.rand(1, 3, net.image_size, net.image_size)
    with torch.inference_mode():
        decode_s, decode_cpu_s, decodes = _seconds_a_call(lambda: net.decode(latents), seconds)
        decode_peak_gb = _peak_gb()
        encode_s, encode_cpu_s, encodes = _seconds_a_call(lambda: net.encode(image), seconds)
    return Timing(
        decode_s=decode_s,
        decode_cpu_s=decode_cpu_s,
        encode_s=encode_s,
        encode_cpu_s=encode_cpu_s,
        decode_peak_gb=decode_peak_gb,
        encode_peak_gb=_peak_gb(),
        decodes=decodes,
        encodes=encodes,
    )


def _seconds_a_call(work: Callable[[], object], seconds: float) -> tuple[float, float, int]:
    """Clock and CPU seconds of a call, and how many were made after one that warms up."""
    work()
    calls, wall, cpu = 0, time.perf_counter(), time.process_time()
    while not calls or time.perf_counter() - wall < seconds:
        work()
        calls += 1
    return (time.perf_counter() - wall) / calls, (time.process_time() - cpu) / calls, calls


def _peak_gb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
