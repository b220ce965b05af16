"""TensorBoard's event files, as a mirror of the record."""

import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from vasa.training.exhibits import Histogram
from vasa.training.mirrors import Artifact
from vasa.types import InputError

FRAME_MS = 40
CLIP_PX = 256
"""Widest moving picture; the file in samples/ is whole."""


class TensorboardMirror:
    """Event files in <run>/tensorboard.

    Args:
        folder: run folder.
        config: resolved configuration, with what is known of code and machine.

    Raises:
        InputError: the package is missing.
    """

    def __init__(self, *, folder: Path, config: dict[str, Any]) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise InputError(
                "logger=tensorboard needs the tensorboard package: pip install tensorboard"
            ) from error
        self._folder = folder / "tensorboard"
        self._open = lambda step: SummaryWriter(str(self._folder), purge_step=step)
        self._config = config
        self._writer: Any = None

    def begin(self, record: Path, *, step: int) -> None:
        """A file of its own for each start; values after the step, from before a kill, go."""
        _wait_for_a_later_name(self._folder)
        self._writer = self._open(step + 1 if step else None)
        for name in ("environment", "config"):
            shown = self._config if name == "config" else self._config.get("environment", {})
            text = json.dumps(shown, indent=2, default=str)
            self._writer.add_text(
                name, "\n".join(f"    {line}" for line in text.splitlines()), step
            )

    def metrics(self, values: dict[str, float], *, step: int) -> None:
        """Values of a step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, name: str, path: Path, *, step: int) -> None:
        """A sample picture."""
        from PIL import Image

        pixels = np.asarray(Image.open(path).convert("RGB"))
        self._writer.add_image(f"samples/{name}", pixels, step, dataformats="HWC")

    def histogram(self, name: str, histogram: Histogram, *, step: int) -> None:
        """Counted values; of squares the file has what mean and deviation say."""
        edges, num = histogram.edges, sum(histogram.counts)
        self._writer.add_histogram_raw(
            f"latents/{name}",
            min=edges[0],
            max=edges[-1],
            num=num,
            sum=histogram.mean * num,
            sum_squares=(histogram.std**2 + histogram.mean**2) * num,
            bucket_limits=edges[1:],
            bucket_counts=histogram.counts,
            global_step=step,
        )

    def clip(self, name: str, path: Path, *, step: int) -> None:
        """A moving picture, as TensorBoard knows no mp4, and its sound."""
        import torch
        from tensorboard.compat.proto.summary_pb2 import Summary

        from vasa.data.audio import read_audio
        from vasa.data.schema import SAMPLE_RATE_HZ
        from vasa.data.video import decode_mp4

        frames = decode_mp4(path.read_bytes())
        image = Summary.Image(
            height=frames.shape[1],
            width=frames.shape[2],
            colorspace=3,
            encoded_image_string=_gif(frames),
        )
        shown = Summary(value=[Summary.Value(tag=f"clips/{name}", image=image)])
        self._writer.file_writer.add_summary(shown, step)
        if _has_sound(path):
            sound = torch.from_numpy(read_audio(path))[None]
            self._writer.add_audio(f"clips/{name}", sound, step, sample_rate=SAMPLE_RATE_HZ)

    def artifact(self, artifact: Artifact, *, step: int) -> None:
        """Where the files lie, and what is known of them."""
        known = {"files": [str(path) for path in artifact.paths], **artifact.metadata}
        self._writer.add_text(artifact.kind, f"    {json.dumps(known)}", step)

    def close(self) -> None:
        """Flush."""
        if self._writer is not None:
            self._writer.close()


def _wait_for_a_later_name(folder: Path) -> None:
    """TensorBoard reads files in the order of their names, which tell seconds before processes."""
    opened = [int(path.name.split(".")[3]) for path in folder.glob("events.out.tfevents.*")]
    now = time.time()
    if int(now) in opened:
        time.sleep(int(now) + 1 - now)


def _has_sound(path: Path) -> bool:
    import av

    with av.open(str(path)) as container:
        return bool(container.streams.audio)


def _gif(frames: np.ndarray) -> bytes:
    from PIL import Image

    pictures = [Image.fromarray(frame) for frame in frames]
    for picture in pictures:
        picture.thumbnail((CLIP_PX, CLIP_PX))
    buffer = io.BytesIO()
    first, *rest = pictures
    first.save(buffer, format="GIF", save_all=True, append_images=rest, duration=FRAME_MS, loop=0)
    return buffer.getvalue()
