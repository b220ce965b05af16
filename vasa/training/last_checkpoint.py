"""The checkpoint that a run continues from, and how a run is stopped."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch import Callback

from vasa.training.step_seeds import step_of


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
