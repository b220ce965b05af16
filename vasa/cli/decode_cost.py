"""Cost of one stage-1 model on this machine: operations, seconds a picture, and memory.

Each number of threads is measured in a process of its own, so that peak memory is that of this
model alone and an earlier measurement's threads do not linger.
"""

import math
import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf

from vasa.cli.measurement import Measurement, free_memory, peak_gb, rate, waiting_for


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
) -> Iterator[Measurement]:
    """Each cost of a picture, counted and measured on the processor.

    Args:
        config: of the `FaceAutoencoder`.
        name: what the metrics are called by.
        threads: numbers of threads to measure with; the metrics of the first bear no number.
        seconds: spent on each measurement, at least one call after a first that warms up.
    """
    yield from counted_costs(config, name=name)
    for count in threads:
        found = timing(config, threads=count, seconds=seconds)
        which = f"decode/{name}" + ("" if count == threads[0] else f"_{count}_threads")
        for metric, unit, value, calls in (
            ("cpu_s", "s", found.decode_cpu_s, found.decodes),
            ("s", "s", found.decode_s, found.decodes),
            ("encode_cpu_s", "s", found.encode_cpu_s, found.encodes),
            ("encode_s", "s", found.encode_s, found.encodes),
            ("peak_gb", "GB", found.decode_peak_gb, found.decodes),
            ("encode_peak_gb", "GB", found.encode_peak_gb, found.encodes),
        ):
            yield Measurement(metric=f"{which}_{metric}", unit=unit, value=value, calls=calls)


def counted_costs(config: dict[str, Any], *, name: str) -> Iterator[Measurement]:
    """Parameters and operations, of all and of each part."""
    import torch

    from vasa.models.face_cost import face_cost
    from vasa.training.config import build

    with torch.device("meta"):
        cost = face_cost(build(OmegaConf.create(config)))
    start = f"decode/{name}"

    def found(metric: str, unit: str, value: float) -> Measurement:
        return Measurement(metric=f"{start}_{metric}", unit=unit, value=value, calls=1)

    yield found("parameters", "million", sum(cost.parameters.values()) / 1e6)
    for part, count in cost.parameters.items():
        yield found(f"parameters/{part}", "million", count / 1e6)
    yield found("gflop", "GFLOP", sum(cost.decode_gflop.values()))
    for part, gflop in cost.decode_gflop.items():
        yield found(f"gflop/{part}", "GFLOP", gflop)
    yield found("sampling_gflop", "GFLOP", cost.decode_sampling_gflop)
    yield found("encode_gflop", "GFLOP", sum(cost.encode_gflop.values()))


GPU_BATCH = 16
"""Motions drawn at once where a GPU is to be kept busy."""


def gpu_decode_costs(
    config: dict[str, Any], *, name: str, seconds: float, is_compiled: bool, device: str = "cuda"
) -> Iterator[Measurement]:
    """Each cost of a picture, counted and measured on the CUDA device of this process.

    In float32 (TF32 as PyTorch has it) and bf16, one motion and many at once; compiled bf16 too.

    Args:
        config: of the `FaceAutoencoder`.
        name: what the metrics are called by.
        seconds: spent on each measurement, after a call that warms up.
        is_compiled: whether compiled drawing is measured too; compiling takes a minute.
        device: cuda; cpu rehearses it.
    """
    import torch

    from vasa.models.face_cost import blank_latents
    from vasa.training.config import build

    yield from counted_costs(config, name=name)
    start, wait = f"decode/{name}_gpu", waiting_for(device)
    torch.manual_seed(0)
    free_memory(device)
    net = build(OmegaConf.create(config)).eval().to(device)
    image = torch.rand(1, 3, net.image_size, net.image_size, device=device)

    def drawn(mode: str, decode: Callable[[Any], Any], motions: int) -> Measurement:
        latents = blank_latents(net, num_motions=motions)
        for value in (latents.app_volume, latents.z_id, latents.z_dyn):
            value.uniform_()

        def draw() -> int:
            with torch.autocast(device, dtype=torch.bfloat16, enabled=bool(mode)):
                return len(decode(latents))

        speed, calls = rate(draw, seconds=seconds, wait=wait)
        metric = f"{start}{mode}" + ("_batch" if motions > 1 else "")
        note = f"{motions} motions at once" if motions > 1 else "one motion at a time"
        return Measurement(metric=metric, unit="frames/s", value=speed, calls=calls, note=note)

    with torch.inference_mode():
        for mode in ("", "_bf16"):
            for motions in (1, GPU_BATCH):
                yield drawn(mode, net.decode, motions)
        if is_compiled:
            try:
                yield drawn("_compiled", torch.compile(net.decode, dynamic=False), 1)
            except Exception as error:  # a compiler that is missing ends no other measurement
                reason = f"left out: {type(error).__name__}: {str(error).splitlines()[0]}"
                metric = f"{start}_compiled"
                yield Measurement(
                    metric=metric, unit="frames/s", value=math.nan, calls=0, note=reason
                )
        encoded, calls = rate(lambda: len(net.encode(image).z_id), seconds=seconds, wait=wait)
    yield Measurement(metric=f"{start}_encode", unit="frames/s", value=encoded, calls=calls)
    yield Measurement(metric=f"{start}_peak_gb", unit="GB", value=peak_gb(device), calls=1)


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
        decode_peak_gb = peak_gb()
        encode_s, encode_cpu_s, encodes = _seconds_a_call(lambda: net.encode(image), seconds)
    return Timing(
        decode_s=decode_s,
        decode_cpu_s=decode_cpu_s,
        encode_s=encode_s,
        encode_cpu_s=encode_cpu_s,
        decode_peak_gb=decode_peak_gb,
        encode_peak_gb=peak_gb(),
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
