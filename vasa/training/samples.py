"""Pictures of what a network does, drawn while it trains."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch import Callback
from PIL import Image
from torch import Tensor

from vasa.training.ema import ModelEma
from vasa.training.logging import Mirrors, report
from vasa.training.run_folder import RunFolder
from vasa.training.step_seeds import step_of


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
        self.has_failed = False

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module, *_: Any) -> None:
        """Draw when it is time."""
        step = step_of(trainer)
        is_last = step == trainer.datamodule.num_steps  # type: ignore[attr-defined]
        wanted = self.every > 0 and (step % self.every == 0 or is_last)
        if not wanted or not trainer.is_global_zero or not hasattr(pl_module, "sample_images"):
            return
        with _evaluating(pl_module), self.ema.swapped_in(pl_module.model):
            pictures = pl_module.sample_images()
        try:
            self._show(pictures, step=step)
        except OSError as error:
            if not self.has_failed:
                report(f"{self.folder.samples} cannot be written ({error}); training goes on")
            self.has_failed = True

    def _show(self, pictures: dict[str, Tensor], *, step: int) -> None:
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
