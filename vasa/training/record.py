"""Logged values, averaged between the lines of the record."""

import time
from typing import Any

import lightning
import torch
from lightning.pytorch import Callback
from torch import Tensor

from vasa.training.logged import is_last
from vasa.training.logging import MetricsRecord
from vasa.training.mirrors import Artifact, Mirrors
from vasa.training.run_folder import RunFolder
from vasa.training.speed import Speed
from vasa.training.step_seeds import step_of


class Record(Callback):
    """Means of the logged values since the last line, into metrics.jsonl and its mirrors.

    Means over all processes: they are taken at every step, so that a checkpoint, which holds what
    rank zero knows, holds all of the unfinished line. A mean is over the steps of the line that
    logged the value; counts and validation are last values (`vasa.training.logged`). What no step
    of the line logged stands as it was, in a continued run too.

    Args:
        folder: run folder.
        mirrors: where else they are shown.
        every: steps between lines.
        speed: measures the time between lines.
    """

    def __init__(self, *, folder: RunFolder, mirrors: Mirrors, every: int, speed: Speed) -> None:
        self.folder, self.mirrors, self.every, self.speed = folder, mirrors, every, speed
        self._seen: dict[str, Tensor] = {}
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
        self._begin(trainer)

    def on_fit_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """A run that was killed after its last step does not train any more, but has its record."""
        if self.record is None:
            self._begin(trainer)

    def _begin(self, trainer: lightning.Trainer) -> None:
        if trainer.is_global_zero:
            step = step_of(trainer)
            self.record = MetricsRecord(
                path=self.folder.metrics, step=step, unwritten=self.unwritten
            )
            self.mirrors.begin(self.folder.metrics, step=step)
            code = Artifact(kind="code", paths=self.folder.code_files())
            self.mirrors.artifact(code, step=step)

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Add up; write a line when it is time."""
        logged = self._logged_now(trainer)
        self.latest |= _means_over_processes(trainer, logged)
        for name in logged:
            if not is_last(name):
                self.sums[name] = self.sums.get(name, 0.0) + self.latest[name]
                self.counts[name] = self.counts.get(name, 0) + 1
        step = step_of(trainer)
        if step % self.every and step < trainer.datamodule.num_steps:  # type: ignore[attr-defined]
            return
        values = {name: float(value) for name, value in self.latest.items()}
        values |= {name: float(total) / self.counts[name] for name, total in self.sums.items()}
        for index, optimizer in enumerate(trainer.optimizers):
            suffix = f"_{index}" if index else ""
            values[f"train/learning_rate{suffix}"] = float(optimizer.param_groups[0]["lr"])
        self.sums, self.counts = {}, {}
        if self.record is not None:
            values |= self.speed.line()
            self.record.write(values, step=step, time_s=self.time_s)
            self.mirrors.metrics(values, step=step)

    def _logged_now(self, trainer: lightning.Trainer) -> dict[str, Tensor]:
        """What this step logged: Lightning shows older values as well, at the place they had.

        A value that is kept here keeps its place in memory, so a new one has another.
        """
        before, self._seen = self._seen, dict(trainer.callback_metrics)
        return {
            name: value
            for name, value in self._seen.items()
            if name not in before or value.data_ptr() != before[name].data_ptr()
        }

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


def _means_over_processes(
    trainer: lightning.Trainer, logged: dict[str, Tensor]
) -> dict[str, Tensor]:
    values = {name: value.detach().double() for name, value in logged.items()}
    if trainer.world_size == 1 or not values:
        return values
    device = trainer.strategy.root_device
    together = torch.stack([value.to(device) for value in values.values()])
    means = trainer.strategy.reduce(together, reduce_op="mean")
    assert isinstance(means, Tensor)
    return dict(zip(values, means.unbind(), strict=True))
