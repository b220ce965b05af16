"""What happens around each batch, in this order: seeds, guard, average, record, samples, save.

The count of trained batches is the DataModule's `batches_consumed` (kept in checkpoints); it is
the step everywhere, whatever the number of optimisers and of accumulated batches.

Several processes do all of this together; only global rank zero writes. Logged values are means
over the processes. Gradients are the same in all of them, so a step that is not finite is left out,
or ends the run, in all at once.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch import Callback
from PIL import Image
from torch import Tensor
from torch.nn.utils import get_total_norm
from tqdm import tqdm

from vasa.data.order import derived_seed
from vasa.training.ema import ModelEma
from vasa.training.logging import MetricsRecord, Mirrors
from vasa.training.run_folder import RunFolder


def step_of(trainer: lightning.Trainer) -> int:
    """Batches trained on so far."""
    return trainer.datamodule.batches_consumed  # type: ignore[attr-defined]


class StepSeeds(Callback):
    """Global random states as a function of (seed, step, rank), so that a resumed run draws the
    same (dropout, say), and the count of consumed batches. Goes first.

    Args:
        seed: of the run.
    """

    def __init__(self, *, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Seed this step."""
        value = derived_seed(self.seed, step_of(trainer), "global", trainer.global_rank)
        torch.manual_seed(value)
        random.seed(value)
        np.random.seed(value % 2**32)

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Count the batch."""
        trainer.datamodule.batches_consumed += 1  # type: ignore[attr-defined]

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Lightning's own loop begins anew on the batches that are left.

        Its counters of epochs and batches would be compared with the loader's new, shorter length;
        only the optimiser's count (global_step) goes on.
        """
        fit = checkpoint["loops"]["fit_loop"]
        for name in ("epoch_progress", "epoch_loop.batch_progress"):
            fit[name] = _zeroed(fit[name])


def _zeroed(progress: Any) -> Any:
    if isinstance(progress, dict):
        return {key: _zeroed(value) for key, value in progress.items()}
    return type(progress)(0)


class NonFiniteGuard(Callback):
    """A step whose loss or gradient is not finite changes no weight; too many in a row end the run.

    Such steps are counted (`train/nonfinite_steps`), for each optimiser by itself; what ended a run
    stands in nonfinite.json: losses, and the parameters whose gradient was not finite.

    Args:
        folder: run folder.
        max_steps: consecutive such steps that end the run.
    """

    def __init__(self, *, folder: RunFolder, max_steps: int) -> None:
        self.folder = folder
        self.max_steps = max_steps
        self.in_a_row: dict[int, int] = {}
        self.num_steps = 0

    def on_before_optimizer_step(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, optimizer: Any
    ) -> None:
        """Look at the gradients: a loss that is not finite has none that is."""
        number = next(i for i, other in enumerate(trainer.optimizers) if other is optimizer)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = float(get_total_norm(gradients)) if gradients else 0.0
        if np.isfinite(norm):
            self.in_a_row[number] = 0
            pl_module.log("train/gradient_norm" + (f"_{number}" if number else ""), norm)
            return
        self.in_a_row[number] = self.in_a_row.get(number, 0) + 1
        self.num_steps += 1
        pl_module.log("train/nonfinite_steps", float(self.num_steps))
        if self.in_a_row[number] >= self.max_steps:
            self._end(trainer, pl_module, self.in_a_row[number])
        for parameter in parameters:
            parameter.grad = None

    def _end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, times: int
    ) -> None:
        losses = {key: float(value) for key, value in trainer.callback_metrics.items()}
        bad = ", ".join(f"{k} = {v}" for k, v in losses.items() if not np.isfinite(v))
        dump = {
            "step": step_of(trainer),
            "losses": {key: repr(value) for key, value in losses.items()},
            "gradients_not_finite": [
                name
                for name, parameter in pl_module.named_parameters()
                if parameter.grad is not None and not parameter.grad.isfinite().all()
            ],
        }
        if trainer.is_global_zero:
            self.folder.write_nonfinite(dump)
        raise FloatingPointError(
            f"training diverged at step {step_of(trainer)}: the gradient is not finite "
            f"({bad or 'the losses here are'}), {times} time(s) in a row; the last checkpoint is "
            "from before, nonfinite.json names the parameters; try a lower learning rate or full "
            "precision"
        )

    def state_dict(self) -> dict[str, Any]:
        """The counts."""
        return {"in_a_row": dict(self.in_a_row), "num_steps": self.num_steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the checkpoint stood."""
        self.in_a_row = dict(state_dict["in_a_row"])
        self.num_steps = state_dict["num_steps"]


class Record(Callback):
    """Means of the logged values since the last line, into metrics.jsonl and its mirrors.

    Means over all processes: they are taken at every step, so that a checkpoint, which holds what
    rank zero knows, holds all of the unfinished line. What is not logged at every step (validation)
    stands until it is logged again, in a continued run too.

    Args:
        folder: run folder.
        mirrors: where else they are shown.
        every: steps between lines.
    """

    def __init__(self, *, folder: RunFolder, mirrors: Mirrors, every: int) -> None:
        self.folder, self.mirrors, self.every = folder, mirrors, every
        self.sums: dict[str, Tensor | float] = {}
        self.counts: dict[str, int] = {}
        self.latest: dict[str, Tensor | float] = {}
        self.record: MetricsRecord | None = None
        self.time_before_s = 0.0
        self.started = time.monotonic()

    @property
    def time_s(self) -> float:
        """Training time of all starts together, without what a kill lost."""
        return self.time_before_s + time.monotonic() - self.started

    def on_train_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Continue the file from where the checkpoint stands."""
        self.started = time.monotonic()
        if trainer.is_global_zero:
            self.record = MetricsRecord(path=self.folder.metrics, step=step_of(trainer))

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Add up; write a line when it is time."""
        self.latest |= _means_over_processes(trainer)
        for name, value in self.latest.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1
        step = step_of(trainer)
        if step % self.every and step < trainer.datamodule.num_steps:  # type: ignore[attr-defined]
            return
        values = {name: float(total) / self.counts[name] for name, total in self.sums.items()}
        for index, optimizer in enumerate(trainer.optimizers):
            suffix = f"_{index}" if index else ""
            values[f"train/learning_rate{suffix}"] = float(optimizer.param_groups[0]["lr"])
        self.sums, self.counts = {}, {}
        if self.record is not None:
            self.record.write(values, step=step, time_s=self.time_s)
            self.mirrors.metrics(values, step=step)

    def state_dict(self) -> dict[str, Any]:
        """The unfinished means, the latest values and the time so far."""
        sums = {name: float(total) for name, total in self.sums.items()}
        latest = {name: float(value) for name, value in self.latest.items()}
        state = {"sums": sums, "counts": dict(self.counts), "latest": latest}
        return {**state, "time_s": self.time_s}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the checkpoint stood."""
        self.sums, self.counts = dict(state_dict["sums"]), dict(state_dict["counts"])
        self.latest = dict(state_dict.get("latest", {}))
        self.time_before_s = state_dict["time_s"]


def _means_over_processes(trainer: lightning.Trainer) -> dict[str, Tensor]:
    values = {name: value.detach().double() for name, value in trainer.callback_metrics.items()}
    if trainer.world_size == 1 or not values:
        return values
    device = trainer.strategy.root_device
    together = torch.stack([value.to(device) for value in values.values()])
    means = trainer.strategy.reduce(together, reduce_op="mean")
    assert isinstance(means, Tensor)
    return dict(zip(values, means.unbind(), strict=True))


class Samples(Callback):
    """Pictures of what the averaged network does, every so often and at the end.

    A module that defines `sample_images() -> dict[str, Tensor c h w in [0, 1]]` takes part; they
    are written to samples/<name>_<step>.png.

    Args:
        folder: run folder.
        mirrors: where else they are shown.
        ema: holds the averaged weights.
        every: steps between samples; 0 for none.
    """

    def __init__(self, *, folder: RunFolder, mirrors: Mirrors, ema: ModelEma, every: int) -> None:
        self.folder, self.mirrors, self.ema, self.every = folder, mirrors, ema, every

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module, *_: Any) -> None:
        """Draw when it is time."""
        step = step_of(trainer)
        is_last = step == trainer.datamodule.num_steps  # type: ignore[attr-defined]
        wanted = self.every > 0 and (step % self.every == 0 or is_last)
        if not wanted or not trainer.is_global_zero or not hasattr(pl_module, "sample_images"):
            return
        with _evaluating(pl_module), self.ema.swapped_in(pl_module.model):
            pictures = pl_module.sample_images()
        self.folder.samples.mkdir(exist_ok=True)
        for name, picture in pictures.items():
            path = self.folder.samples / f"{name}_{step:07d}.png"
            write_png(path, picture)
            self.mirrors.picture(name, path, step=step)


def write_png(path: Path, picture: Tensor) -> None:
    """A picture `c h w` in [0, 1]."""
    pixels = picture.detach().float().clamp(0, 1).mul(255).round().byte()
    Image.fromarray(pixels.cpu().permute(1, 2, 0).squeeze(-1).numpy()).save(path)


@contextmanager
def _evaluating(module: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; modes and random state come back as they were."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode


class LastCheckpoint(Callback):
    """Saves checkpoints/last.ckpt by time, at the end, and when asked to stop. Goes last.

    SIGTERM and SIGINT only set a flag; at the end of the batch all processes agree, save and
    leave the loop, whichever of them was asked. A second SIGINT interrupts at once. Between the
    batches of one optimiser step (accumulate_grad_batches) there is nothing to save: the gradients
    so far are in no checkpoint, so it waits for the step.

    Args:
        path: the file; written aside and renamed, so that it is always whole.
        every_s: seconds between saves.
    """

    def __init__(self, *, path: Path, every_s: float) -> None:
        self.path, self.every_s = path, every_s
        self.received: int | None = None
        self.saved_at = time.monotonic()
        self._handlers: dict[int, Any] = {}

    def on_train_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Take over the signals (from Lightning, which would end inside the handler)."""
        self.saved_at = time.monotonic()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._handlers[number] = signal.signal(number, self._on_signal)

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Save when it is time; leave when asked."""
        is_due = time.monotonic() - self.saved_at >= self.every_s
        is_last = step_of(trainer) >= trainer.datamodule.num_steps  # type: ignore[attr-defined]
        if step_of(trainer) % trainer.accumulate_grad_batches and not is_last:
            return
        stop = self.received is not None
        if trainer.world_size > 1:
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
            is_due = trainer.strategy.reduce_boolean_decision(is_due, all=False)
        if stop or is_due or is_last:
            self.save(trainer)
        if stop:
            self.received = self.received or signal.SIGTERM
            trainer.should_stop = True

    def save(self, trainer: lightning.Trainer) -> None:
        """Write the checkpoint aside, then put it in place."""
        aside = self.path.with_name(".last.ckpt")
        trainer.save_checkpoint(aside)
        if trainer.is_global_zero:
            os.replace(aside, self.path)
        self.saved_at = time.monotonic()

    def teardown(self, *_: Any, **__: Any) -> None:
        """Give the signals back."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    on_exception = teardown

    def _on_signal(self, number: int, _: Any) -> None:
        if number == signal.SIGINT and self.received == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number


class Progress(Callback):
    """One bar over the whole run, a continued one included.

    Args:
        name: shown before the bar.
    """

    def __init__(self, *, name: str) -> None:
        self.name = name
        self.bar: Any = None

    def on_train_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Begin where the run stands."""
        self.bar = tqdm(
            total=trainer.datamodule.num_steps,  # type: ignore[attr-defined]
            initial=step_of(trainer),
            desc=self.name,
            unit="step",
            disable=not trainer.is_global_zero,
            mininterval=0.5 if sys.stderr.isatty() else 15.0,
            dynamic_ncols=sys.stderr.isatty(),
        )

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """One step on."""
        loss = trainer.callback_metrics.get("train/loss")
        if loss is not None and step_of(trainer) % 10 == 0:
            self.bar.set_postfix(loss=f"{float(loss):.4g}", refresh=False)
        self.bar.update()

    def teardown(self, *_: Any, **__: Any) -> None:
        """Leave the finished bar on the screen."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    on_exception = teardown
