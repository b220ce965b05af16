"""From motion to pictures of one face, piece by piece.

Shapes: t frames, m motion, c h w pictures.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from vasa.data.schema import FPS
from vasa.inference.face_locator import resized
from vasa.inference.windows import PRECISIONS
from vasa.types import FaceLatents, InputError

NUM_POSE = 6


@dataclass(frozen=True, kw_only=True)
class RenderSettings:
    """How motion becomes pictures.

    Attributes:
        batch_size: frames decoded at once, at most.
        start_blend_s: seconds in which the head moves from the source's pose to the generated
            one; 0: it starts where it was generated. Unspecified in the paper.
        precision: of the drawing, "32-true" or "bf16-mixed"; the source, which all frames share, is
            encoded in float32 in any case.
        is_compiled: whether drawing goes through torch.compile: the first batch takes minutes, and
            the pictures differ by rounding.
    """

    batch_size: int
    start_blend_s: float
    precision: str = "32-true"
    is_compiled: bool = False


class Renderer:
    """Pictures of a face in motion; the source is encoded once, at the start.

    Args:
        autoencoder: stage 1.
        image: face crop `3 h h` in [0, 1].
        settings: of the decoding.

    Raises:
        InputError: an unknown precision, or nothing to compile with.
    """

    @torch.inference_mode()
    def __init__(self, autoencoder: Any, image: Tensor, settings: RenderSettings) -> None:
        if settings.precision not in PRECISIONS:
            raise InputError(
                f"expected render.precision to be one of {', '.join(PRECISIONS)}, "
                f"got {settings.precision!r}"
            )
        self.autoencoder = autoencoder
        self.settings = settings
        device = next(autoencoder.parameters()).device
        self._decode: Callable[[FaceLatents], Tensor] = autoencoder.decode
        if settings.is_compiled:
            check_compiler(device)
            self._decode = torch.compile(autoencoder.decode, fullgraph=True, dynamic=False)
        self._source = autoencoder.encode(
            resized(image[None].to(device), size=autoencoder.image_size)
        )
        self._first_pose: Tensor | None = None
        self._waiting: Tensor | None = None
        self._num_added = 0

    @torch.inference_mode()
    def add(self, motion: Tensor) -> None:
        """The motion that comes next, [z_pose, z_dyn], `t m`; after the last was drawn."""
        assert self._waiting is None, "expected all earlier motion to be drawn"
        motion = motion.to(self._source.z_pose.device)
        if not len(motion):
            return
        if self._first_pose is None:
            self._first_pose = motion[:1, :NUM_POSE]
        z_pose = blend_from(
            self._source.z_pose,
            motion[:, :NUM_POSE],
            num_frames=round(self.settings.start_blend_s * FPS),
            first=self._first_pose,
            start=self._num_added,
        )
        self._num_added += len(motion)
        self._waiting = torch.cat((z_pose, motion[:, NUM_POSE:]), dim=1)

    @torch.inference_mode()
    def next(self) -> Tensor | None:
        """The next batch of pictures, uint8 `t 3 s s` on the CPU; None: all motion is drawn."""
        if self._waiting is None:
            return None
        batch = self._waiting[: self.settings.batch_size]
        rest = self._waiting[self.settings.batch_size :]
        self._waiting = rest if len(rest) else None
        decoded = self._drawn(batch).float().clamp(0, 1)
        return (decoded * 255).round().to(torch.uint8).cpu()

    def _drawn(self, motion: Tensor) -> Tensor:
        """Pictures of motion `t m`; a compiled graph, which is of one size, always gets a batch."""
        num = len(motion)
        if self.settings.is_compiled and num < self.settings.batch_size:
            last = motion[-1:].expand(self.settings.batch_size - num, -1)
            motion = torch.cat((motion, last))
        latents = self._source.with_motion(z_pose=motion[:, :NUM_POSE], z_dyn=motion[:, NUM_POSE:])
        is_mixed = self.settings.precision == "bf16-mixed"
        with torch.autocast(motion.device.type, dtype=torch.bfloat16, enabled=is_mixed):
            return self._decode(latents)[:num]


def check_compiler(device: torch.device) -> None:
    """That torch.compile finds what it builds kernels with: on a processor, a C++ compiler.

    Raises:
        InputError: there is none.
    """
    known = (os.environ.get("CXX", "g++"), "clang++")
    if device.type == "cpu" and not any(shutil.which(name) for name in known):
        raise InputError(
            f"expected a C++ compiler ({' or '.join(known)}) for render.compile=true, found none; "
            "install one or leave it out"
        )


def blend_from(
    source: Tensor,
    z_pose: Tensor,
    *,
    num_frames: int,
    first: Tensor | None = None,
    start: int = 0,
) -> Tensor:
    """Start at the source's pose and reach the generated one smoothly after `num_frames`.

    z_pose_i + w_i (source - z_pose_0), w_i = (1 + cos(pi i / num_frames)) / 2 up to there.

    Args:
        source: `1 6`.
        z_pose: frames `start`, `start` + 1, ..., `t 6`.
        num_frames: 0 leaves `z_pose` alone.
        first: z_pose_0, `1 6`; None: that of `z_pose`.
        start: i of the first of `z_pose`.
    """
    if num_frames == 0 or start >= num_frames:
        return z_pose
    first = z_pose[:1] if first is None else first
    indices = torch.arange(start, start + len(z_pose), device=z_pose.device)
    weights = (1 + torch.cos(torch.pi * (indices / num_frames).clamp(max=1))) / 2
    return z_pose + rearrange(weights, "t -> t 1") * (source - first)
