"""Pictures, clips and histograms of what a network does, made while it trains."""

import contextlib
import json
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch import Callback
from PIL import Image
from torch import Tensor

from vasa.data.video import write_video
from vasa.training.ema import ModelEma
from vasa.training.exhibits import SampleClip, histogram_of
from vasa.training.logging import report
from vasa.training.mirrors import Mirrors
from vasa.training.run_folder import RunFolder, write_atomically
from vasa.training.step_seeds import step_of


class Samples(Callback):
    """What the averaged network does, shown every so often and at the end.

    A module takes part with any of these, each called in evaluation mode without gradients:

    - `sample_images() -> dict[str, Tensor]`, pictures `c h w` in [0, 1]: samples/<name>_<step>.png
    - `sample_clips() -> dict[str, SampleClip]`: samples/<name>_<step>.mp4
    - `sample_latents() -> dict[str, Tensor]`, codes `n d`: samples/histograms_<step>.json

    None of them is needed to train. One that cannot be made or written is said the first time,
    counted, and written down in samples/failed.log.

    Args:
        folder: run folder.
        mirrors: where else they are shown.
        ema: holds the averaged weights.
        every: steps between samples; 0 for none.
    """

    def __init__(self, *, folder: RunFolder, mirrors: Mirrors, ema: ModelEma, every: int) -> None:
        self.folder, self.mirrors, self.ema, self.every = folder, mirrors, ema, every
        self.num_failed = 0

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module, *_: Any) -> None:
        """Make and show what the module has, when it is time."""
        step = step_of(trainer)
        is_last = step == trainer.datamodule.num_steps  # type: ignore[attr-defined]
        wanted = self.every > 0 and (step % self.every == 0 or is_last)
        if not wanted or not trainer.is_global_zero:
            return
        kinds: Mapping[str, Callable[..., None]] = {
            "sample_images": self._show_pictures,
            "sample_clips": self._show_clips,
            "sample_latents": self._show_histograms,
        }
        for name, show in kinds.items():
            if hasattr(pl_module, name):
                try:
                    with _evaluating(pl_module), self.ema.swapped_in(pl_module.model):
                        made = getattr(pl_module, name)()
                    self.folder.samples.mkdir(exist_ok=True)
                    show(made, step=step)
                except Exception as error:  # a picture is nothing that a training needs
                    self._note(name.removeprefix("sample_"), error, step=step)

    def on_train_end(self, *_: Any) -> None:
        """Say how many there were, if more than the one that was told."""
        if self.num_failed > 1:
            report(f"{self.num_failed} samples failed, see {self.folder.samples / 'failed.log'}")

    def _note(self, kind: str, error: Exception, *, step: int) -> None:
        self.num_failed += 1
        if self.num_failed == 1:
            what = f"{kind} of step {step}"
            if isinstance(error, OSError):
                what = f"{self.folder.samples} cannot be written: {what}"
            report(f"{what} failed ({type(error).__name__}: {error}); training goes on")
        with contextlib.suppress(OSError):
            self.folder.samples.mkdir(exist_ok=True)
            with (self.folder.samples / "failed.log").open("a") as file:
                file.write(f"step {step}: {''.join(traceback.format_exception(error))}\n")

    def _show_pictures(self, pictures: dict[str, Tensor], *, step: int) -> None:
        for name, picture in pictures.items():
            path = self.folder.samples / f"{name}_{step:07d}.png"
            write_png(path, picture)
            self.mirrors.picture(name, path, step=step)

    def _show_clips(self, clips: dict[str, SampleClip], *, step: int) -> None:
        for name, clip in clips.items():
            path = self.folder.samples / f"{name}_{step:07d}.mp4"
            frames = clip.frames.detach().float().clamp(0, 1).mul(255).round().byte().cpu()
            audio = None if clip.audio is None else clip.audio.detach().float().cpu().numpy()
            write_video(path, frames.permute(0, 2, 3, 1).numpy(), audio)
            self.mirrors.clip(name, path, step=step)

    def _show_histograms(self, codes: dict[str, Tensor], *, step: int) -> None:
        found = {name: histogram_of(values) for name, values in codes.items()}
        text = json.dumps({name: asdict(one) for name, one in found.items()})
        write_atomically(self.folder.samples / f"histograms_{step:07d}.json", text + "\n")
        for name, histogram in found.items():
            self.mirrors.histogram(name, histogram, step=step)


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
