"""Logged values, averaged between the lines of the record."""

import time
from typing import Any

import lightning
import torch
from lightning.pytorch import Callback
from torch import Tensor

from vasa.training.logging import MetricsRecord, Mirrors
from vasa.training.run_folder import RunFolder
from vasa.training.step_seeds import step_of


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
        self.unwritten: list[dict[str, Any]] = []
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
            step = step_of(trainer)
            self.record = MetricsRecord(
                path=self.folder.metrics, step=step, unwritten=self.unwritten
            )
            self.mirrors.begin(self.folder.metrics, step=step)

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
        """The unfinished means, the latest values, the time so far, lines that found no room.

        A checkpoint counts on the lines before it: they are on the disk before it is.
        """
        if self.record is not None:
            self.record.sync()
            self.unwritten = list(self.record.unwritten)
        sums = {name: float(total) for name, total in self.sums.items()}
        latest = {name: float(value) for name, value in self.latest.items()}
        state = {"sums": sums, "counts": dict(self.counts), "latest": latest}
        return {**state, "time_s": self.time_s, "unwritten": self.unwritten}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the checkpoint stood."""
        self.sums, self.counts = dict(state_dict["sums"]), dict(state_dict["counts"])
        self.latest = dict(state_dict.get("latest", {}))
        self.time_before_s = state_dict["time_s"]
        self.unwritten = list(state_dict.get("unwritten", ()))


def _means_over_processes(trainer: lightning.Trainer) -> dict[str, Tensor]:
    values = {name: value.detach().double() for name, value in trainer.callback_metrics.items()}
    if trainer.world_size == 1 or not values:
        return values
    device = trainer.strategy.root_device
    together = torch.stack([value.to(device) for value in values.values()])
    means = trainer.strategy.reduce(together, reduce_op="mean")
    assert isinstance(means, Tensor)
    return dict(zip(values, means.unbind(), strict=True))
