"""When checkpoints are saved, and how a run is stopped."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import lightning
from lightning.pytorch import Callback
from torch import Tensor

from vasa.training.checkpoint_store import CheckpointNote, CheckpointStore
from vasa.training.mirrors import Artifact, Mirrors
from vasa.training.record import Record
from vasa.training.step_seeds import step_of

NAMED_S = 600.0
"""Seconds between checkpoints that mirrors are told of, at least; a run's last one is always."""
RETRY_S = 60.0
"""Seconds until a checkpoint that the disk had no room for is tried again, at most."""


class Stopped(SystemExit):
    """A run that was asked to stop has saved itself; 128 + the signal is the exit code."""


class LastCheckpoint(Callback):
    """Saves checkpoints by time, at the end, and when asked to stop. Goes last.

    SIGTERM, SIGINT and SIGUSR1, which SLURM can send before a time limit, only set a flag while
    batches are trained on; at the end of the batch all processes agree, save and leave the loop,
    whichever of them was asked. A second SIGINT interrupts at once. Before the first batch there is
    nothing to save and the run ends at once. Between the batches of one optimiser step
    (accumulate_grad_batches) there is nothing to save either: the gradients so far are in no
    checkpoint, so it waits for the step.

    Args:
        store: keeps them.
        every_s: seconds between saves.
        record: knows the logged values.
        scored_by: logged value, lower is better, whose mean since the last save is the score.
        mirrors: are told where checkpoints lie.
    """

    def __init__(
        self,
        *,
        store: CheckpointStore,
        every_s: float,
        record: Record,
        scored_by: str,
        mirrors: Mirrors,
    ) -> None:
        self.mirrors = mirrors
        self.named_at = -NAMED_S
        self.store, self.every_s = store, every_s
        self.record, self.scored_by = record, scored_by
        self.received: int | None = None
        self.wait_s = every_s
        self.saved_at = time.monotonic()
        self._score: tuple[Tensor | float, int] = (0.0, 0)
        self._is_training = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals.

        Lightning would requeue a SLURM job at SIGUSR1 and begin any later run in the working folder
        from a checkpoint of its own there. It keeps out where a handler is set.
        """
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        try:
            yield
        finally:
            self._is_training = False
            for number, handler in before.items():
                signal.signal(number, handler or signal.SIG_DFL)

    def on_train_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Take SIGTERM back from Lightning, which would end within a batch; from now on, wait."""
        signal.signal(signal.SIGTERM, self._on_signal)
        self._is_training = True
        self.saved_at = time.monotonic()

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Save when it is time; leave when asked."""
        if (value := self.record.latest.get(self.scored_by)) is not None:
            self._score = (self._score[0] + value, self._score[1] + 1)
        is_due = time.monotonic() - self.saved_at >= self.wait_s
        is_last = step_of(trainer) >= trainer.datamodule.num_steps  # type: ignore[attr-defined]
        if step_of(trainer) % trainer.accumulate_grad_batches and not is_last:
            return
        stop = self.received is not None
        if trainer.world_size > 1:
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
            is_due = trainer.strategy.reduce_boolean_decision(is_due, all=False)
        if stop or is_due or is_last:
            self.save(trainer, is_end=stop or is_last)
        if stop:
            self.received = self.received or signal.SIGTERM
            trainer.should_stop = True

    def save(self, trainer: lightning.Trainer, *, is_end: bool) -> None:
        """Have it saved; one that the disk had no room for is tried again soon."""
        step = step_of(trainer)
        total, count = self._score
        score = float(total) / count if count else None
        self._score = (0.0, 0)
        trainer.save_checkpoint(
            self.store.path_of(step), storage_options=CheckpointNote(step=step, score=score)
        )
        has_failed = self.store.failure is not None
        self.wait_s = min(RETRY_S, self.every_s) if has_failed else self.every_s
        self.saved_at = time.monotonic()
        if not has_failed and (is_end or self.saved_at - self.named_at >= NAMED_S):
            self._name(step)

    def _name(self, step: int) -> None:
        if (note := self.store.saved) is not None:
            self.named_at = self.saved_at
            artifact = Artifact(
                kind="checkpoint", paths=[self.store.path_of(step)], metadata=asdict(note)
            )
            self.mirrors.artifact(artifact, step=step)

    def _on_signal(self, number: int, _: Any) -> None:
        if number == signal.SIGUSR1:
            number = signal.SIGTERM  # another word for it
        if not self._is_training:
            raise KeyboardInterrupt if number == signal.SIGINT else Stopped(128 + number)
        if number == signal.SIGINT and self.received == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number
