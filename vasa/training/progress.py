"""The bar on the screen."""

import contextlib
import sys
from typing import Any

import lightning
from lightning.pytorch import Callback
from tqdm import tqdm

from vasa.training.step_seeds import step_of


class Progress(Callback):
    """One bar over the whole run, a continued one included; it ends where it cannot be shown.

    Args:
        name: shown before the bar.
    """

    def __init__(self, *, name: str) -> None:
        self.name = name
        self.bar: Any = None

    def on_train_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Begin where the run stands."""
        with contextlib.suppress(OSError):
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
        if self.bar is None:
            return
        loss = trainer.callback_metrics.get("train/loss")
        if loss is not None and step_of(trainer) % 10 == 0:
            self.bar.set_postfix(loss=f"{float(loss):.4g}", refresh=False)
        try:
            self.bar.update()
        except OSError:  # the log that it goes to is on a full disk, or its terminal is gone
            self.bar.disable, self.bar = True, None

    def teardown(self, *_: Any, **__: Any) -> None:
        """Leave the finished bar on the screen."""
        if self.bar is not None:
            with contextlib.suppress(OSError):
                self.bar.close()
            self.bar = None

    on_exception = teardown
