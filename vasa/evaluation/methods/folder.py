"""`folder`: a method outside the project, as a folder of mp4 files named by clip key.

A file may lie in folders as the key says (`s1/v0/000.mp4`) or beside the others with dashes for
slashes (`s1-v0-000.mp4`). It shows the face as the source picture does, at 25 frames a second.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.error import FFmpegError
from einops import rearrange
from torch import Tensor

from vasa.data.schema import FPS
from vasa.evaluation.clips import EvaluationClip, fitted_frames
from vasa.evaluation.methods.method import Frames, Missing, Performance
from vasa.types import InputError


class Folder:
    """Videos that another program made.

    Args:
        name: of the method.
        path: the folder.
        keys: of all clips that are scored.
        tolerance_frames: by which a video may be longer or shorter than its clip; the rest of
            either is left out.

    Raises:
        InputError: no such folder, or it holds no video of any of the clips.
    """

    num_samples = 1

    def __init__(
        self, *, name: str, path: Path, keys: Sequence[str], tolerance_frames: int
    ) -> None:
        self.name = name
        self.path = Path(path)
        self.tolerance = tolerance_frames
        if not self.path.is_dir():
            raise InputError(
                f"expected a folder of mp4 files at evaluation.methods.folders.{name}, found none "
                f"at {self.path}"
            )
        self._files = {key: found for key in keys if (found := self._find(key)) is not None}
        self.facts: dict[str, Any] = {
            "files": {key: _digest(path) for key, path in self._files.items()},
            "tolerance_frames": tolerance_frames,
        }
        if not self._files:
            raise InputError(
                f"expected videos named by clip key in {self.path}, such as "
                f"{_flat(keys[0])} or {keys[0]}.mp4, found none of {len(keys)} clips; "
                "evaluation.methods.write_inputs=true writes each clip's picture and sound by key"
            )

    def _find(self, key: str) -> Path | None:
        for name in (f"{key}.mp4", _flat(key)):
            if (self.path / name).is_file():
                return self.path / name
        return None

    def __call__(self, clip: EvaluationClip, /, *, sample: int) -> Performance:
        """See Method."""
        if clip.key not in self._files:
            return Missing(reason="no file")
        try:
            frames, rate = read_video(self._files[clip.key])
        except (FFmpegError, ValueError) as error:
            return Missing(reason=f"does not decode ({type(error).__name__})")
        wanted, (found, _, height, width) = len(clip.frames), frames.shape
        if abs(rate - FPS) > 0.01:
            return Missing(reason=f"{rate:g} frames a second, expected {FPS}")
        if height != width:
            return Missing(reason="pictures are not square")
        if abs(found - wanted) > self.tolerance:
            return Missing(reason=f"wrong length, such as {found} frames for {wanted}")
        return Frames(frames=fitted_frames(frames[:wanted], size_px=clip.frames.shape[-1]))


def _flat(key: str) -> str:
    return key.replace("/", "-") + ".mp4"


def _digest(path: Path) -> str:
    """Known by content, so that another video is never taken for one that was scored."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def folder_hash(path: Path) -> str:
    """Hash of all videos of a folder, by name and content."""
    files = sorted(path.rglob("*.mp4"))
    lines = [f"{file.relative_to(path)} {_digest(file)}" for file in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read_video(path: Path) -> tuple[Tensor, float]:
    """Pictures of any video file, uint8 `t c h w`, and how many a second.

    Raises:
        ValueError: there are none.
    """
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise ValueError(f"no pictures in {path}")
        rate = container.streams.video[0].average_rate
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    if not pictures:
        raise ValueError(f"no pictures in {path}")
    frames = torch.from_numpy(np.stack(pictures))
    return rearrange(frames, "t h w c -> t c h w").contiguous(), float(rate or 0)
