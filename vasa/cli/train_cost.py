"""Cost of a training step by preset: frames a second, seconds a step, memory, batch size.

What is measured is a run of `vasa.training.runner.train` with the preset's experiment, on random
pictures: forward, every loss that has a weight, backward, optimisers, average and guard, with the
adversary where the preset has one. Only the steps in which the encoders learn alone, the late start
of the adversary and the looks at losses without weight are left out. Each preset has a process of
its own, so that memory is its own, and so that one that does not fit ends nothing else.
"""

import math
import multiprocessing
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from vasa.cli.measurement import Measurement, peak_gb

SMALLEST_BATCH = 2
"""Pairs; losses between people need two of them."""


@dataclass(frozen=True, kw_only=True)
class StepWork:
    """What is measured of each preset.

    Attributes:
        device: cpu or cuda.
        num_threads: of PyTorch; None: its default.
        steps: measured.
        warmup_steps: before them.
        budget_s: time for all steps of a preset on a processor, by an estimate; the batch is halved
            until it fits, and where one step of two pairs does not, the preset is left out.
    """

    device: str
    num_threads: int | None
    steps: int
    warmup_steps: int
    budget_s: float


@dataclass(frozen=True, kw_only=True)
class StepTiming:
    """What was measured.

    Attributes:
        step_s: seconds of a step.
        peak_gb: most memory: of the GPU's allocator, or of the whole process without one.
        parameters: that are trained, the adversary's included.
    """

    step_s: float
    peak_gb: float
    parameters: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much of a preset is measured: what fits."""

    batch_size: int
    steps: int
    warmup_steps: int


def train_step_costs(
    config: dict[str, Any], *, name: str, work: StepWork, step_s: float | None
) -> Iterator[Measurement]:
    """Speed, time, memory and batch size of a preset.

    Args:
        config: resolved configuration of the run, with random data.
        name: what the metrics are called by.
        work: how much is measured.
        step_s: estimate of a step of the whole batch on a processor; None: no limit of time.
    """
    from vasa.training.precision import chosen_precision

    metric = f"train_step/{name}"
    whole = config["data"]["batch_size"]
    plan = fitting(whole, work=work, step_s=step_s)
    if plan is None:
        assert step_s is not None
        least = step_s * SMALLEST_BATCH / whole
        reason = (
            f"left out: a step of {SMALLEST_BATCH} pairs would take some {least:.0f} s here, over "
            f"the budget of {work.budget_s:.0f} s; raise train_step_budget_s to measure it"
        )
        yield Measurement(metric=metric, unit="frames/s", value=math.nan, calls=0, note=reason)
        return
    batch_size, found = plan.batch_size, None
    while found is None and batch_size >= SMALLEST_BATCH:
        found = timing(config, batch_size=batch_size, plan=plan, work=work)
        batch_size = batch_size if found else batch_size // 2
    if found is None:
        reason = f"left out: {SMALLEST_BATCH} samples do not fit the memory"
        yield Measurement(metric=metric, unit="frames/s", value=math.nan, calls=0, note=reason)
        return
    frames = config["data"].get("frames_per_clip") or config["data"]["window"]
    note = (
        f"batch of {batch_size}{'' if batch_size == whole else f' (of the preset {whole})'} x "
        f"{frames} frames, {chosen_precision(config['trainer'])}, {plan.steps} steps after "
        f"{plan.warmup_steps}"
        + (", with the adversary" if config["module"].get("discriminator") else "")
    )
    done = {"calls": plan.steps, "note": note}
    speed = batch_size * frames / found.step_s
    yield Measurement(metric=metric, unit="frames/s", value=speed, **done)
    yield Measurement(metric=f"{metric}_s", unit="s", value=found.step_s, **done)
    yield Measurement(metric=f"{metric}_peak_gb", unit="GB", value=found.peak_gb, **done)
    yield Measurement(metric=f"{metric}_batch", unit="samples", value=batch_size, **done)
    millions = found.parameters / 1e6
    yield Measurement(metric=f"{metric}_parameters", unit="million", value=millions, **done)


def fitting(whole: int, *, work: StepWork, step_s: float | None) -> Plan | None:
    """The largest batch, the preset's or a half, a quarter ... of it, that the time allows.

    Args:
        whole: the preset's batch.
        work: how much is to be measured, in which time.
        step_s: estimate of a step of the whole batch; None: all is allowed.

    Returns:
        None where even one step of two does not fit.
    """
    plan = Plan(batch_size=whole, steps=work.steps, warmup_steps=work.warmup_steps)
    if step_s is None:
        return plan
    size = whole
    while size >= SMALLEST_BATCH:
        if step_s * size / whole * (work.steps + work.warmup_steps) <= work.budget_s:
            return Plan(batch_size=size, steps=work.steps, warmup_steps=work.warmup_steps)
        size //= 2
    if step_s * SMALLEST_BATCH / whole <= work.budget_s:
        return Plan(batch_size=SMALLEST_BATCH, steps=1, warmup_steps=0)
    return None


def step_gflop(module: dict[str, Any], batch_size: int) -> float:
    """Operations of a stage-1 step, roughly: the autoencoder's, backward twice forward.

    Appearance is encoded of the sources and of some drivers, pictures are drawn of all drivers and
    three times of some; a checkpointed network is run forward twice.
    """
    import torch

    from vasa.models.face_cost import face_cost
    from vasa.training.config import build

    with torch.device("meta"):
        cost = face_cost(build(cast(DictConfig, OmegaConf.create(module["model"]))))
    some = max(2, round(batch_size * module["transfer_share"]))
    encoded = (batch_size + some) * sum(cost.encode_gflop.values())
    drawn = (batch_size + 3 * some) * sum(cost.decode_gflop.values())
    return (encoded + drawn) * (4 if module["model"].get("is_checkpointed") else 3)


def timing(
    config: dict[str, Any], *, batch_size: int, plan: Plan, work: StepWork
) -> StepTiming | None:
    """Seconds and memory of a step, in a process of its own; None where memory is too small."""
    spawn = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory(prefix="vasa-step-") as folder,
        ProcessPoolExecutor(max_workers=1, mp_context=spawn) as pool,
    ):
        run = {
            **config,
            "data": {**config["data"], "batch_size": batch_size},
            "max_steps": plan.steps + plan.warmup_steps,
            "log_every": math.gcd(plan.steps, plan.warmup_steps),
            "run_dir": str(Path(folder) / "run"),
        }
        try:
            return pool.submit(_time_here, run, plan.warmup_steps, work).result()
        except BrokenProcessPool:  # the system ended it: out of memory
            return None


def _time_here(config: dict[str, Any], warmup_steps: int, work: StepWork) -> StepTiming | None:
    import torch

    from vasa.training.logging import MetricsRecord
    from vasa.training.runner import train

    _goes_first_when_memory_ends()
    if work.num_threads:
        torch.set_num_threads(work.num_threads)
    try:
        folder = train(cfg=OmegaConf.create(config))
    except torch.OutOfMemoryError:
        return None
    lines = MetricsRecord.read(folder / "metrics.jsonl")
    times = {0: 0.0} | {line["step"]: line["time_s"] for line in lines}
    steps = config["max_steps"] - warmup_steps
    on_gpu = "device/gpu_memory_gb"
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["optimizer_states"]
    return StepTiming(
        step_s=(times[config["max_steps"]] - times[warmup_steps]) / steps,
        peak_gb=max((line[on_gpu] for line in lines if on_gpu in line), default=peak_gb()),
        parameters=sum(
            kept["exp_avg"].numel() for optimiser in state for kept in optimiser["state"].values()
        ),
    )


def _goes_first_when_memory_ends() -> None:
    """Of all processes, the system is to end this one, whose end is expected."""
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text("1000")
