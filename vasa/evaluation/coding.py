"""One codec for every frame that is scored: generated and real ones are written and read back.

Compression alone moves scores, and the real clips of a set have been through it. So all frames,
whoever made them, are written as H.264 by the project's writer with one crf (`evaluation.crf`),
and scored as they are read.
"""

import hashlib
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from vasa.data.shards import safe_key
from vasa.data.video import decode_mp4, write_video
from vasa.evaluation.talker import Talker, Wish


def write_coded(path: Path, frames: Tensor, audio: Tensor | None, *, crf: int) -> None:
    """Frames, uint8 `t c h w`, as a video with the sound `n`."""
    pictures = rearrange(frames, "t c h w -> t h w c").cpu().numpy()
    write_video(path, pictures, None if audio is None else audio.numpy(), crf=crf)


def read_coded(path: Path) -> Tensor:
    """The frames of a video, uint8 `t c h w`."""
    pictures = torch.from_numpy(decode_mp4(path.read_bytes()))
    return rearrange(pictures, "t h w c -> t c h w").contiguous()


class CodedTalker:
    """A talker whose frames have been written and read back; no file is left.

    Args:
        talker: makes the frames.
        crf: of the codec.
    """

    def __init__(self, talker: Talker, *, crf: int) -> None:
        self.talker = talker
        self.crf = crf

    def __call__(
        self, image: Tensor, audio: Tensor, seed: int, /, wish: Wish | None = None
    ) -> Tensor:
        """See Talker."""
        frames = self.talker(image, audio, seed, wish)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "video.mp4"
            write_coded(path, frames, None, crf=self.crf)
            return read_coded(path)


class VideoFiles:
    """Where videos are kept: by all that they depend on.

    Args:
        folder: that keeps them, one folder a method.
        crf: of the codec.
        facts: what all videos depend on besides: the set, the clips' length and size, stage 1.
    """

    def __init__(self, folder: Path, *, crf: int, facts: dict[str, Any]) -> None:
        self.folder = folder
        self.crf = crf
        self.facts = facts | {"crf": crf}

    def path(self, method: Any, key: str, sample: int) -> Path:
        """The file of a method's video of a clip; it need not be there."""
        home = self.folder / f"{method.name}-{facts_hash(self.facts | {'method': method.facts})}"
        return home / f"{safe_key(key)}_{sample}.mp4"

    def write(self, path: Path, frames: Tensor, audio: Tensor) -> None:
        """Keeps frames, uint8 `t c h w`, with their sound `n`."""
        write_coded(path, frames, audio, crf=self.crf)


def facts_hash(facts: Any) -> str:
    """Twelve hex digits of JSON values."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
