"""Speech as the constructed methods hear it: log-mel energies of a frame and its neighbours.

Shapes: n samples, t frames, f features, w frames of a window.
"""

from dataclasses import dataclass

import torch
from einops import rearrange, reduce
from torch import Tensor
from torch.nn import functional

from vasa.data.audio_features import SUBFRAMES, LogMel


@dataclass(frozen=True, kw_only=True)
class SpeechWindows:
    """Log-mel energies a video frame.

    Attributes:
        num_mels: bands.
        context_frames: neighbours on either side that a frame's features hold.
    """

    num_mels: int
    context_frames: int

    def frames(self, audio: Tensor) -> Tensor:
        """Mean log-mel energies of each frame's own 40 ms, `n` to `t f`."""
        mel = LogMel(
            num_mels=self.num_mels,
            window_samples=400,
            min_hz=0.0,
            max_hz=8000.0,
            floor=1e-5,
            log_mean=-2.0,
            log_std=1.5,
        )
        return reduce(mel(audio[None])[0], "t (j mel) -> t mel", "mean", j=SUBFRAMES)

    def in_context(self, frames: Tensor) -> Tensor:
        """Each frame with its neighbours, `t f` to `t (2 context + 1) f`; ends are repeated."""
        return windows(frames, before=self.context_frames, after=self.context_frames)


def windows(frames: Tensor, *, before: int, after: int) -> Tensor:
    """Windows around every frame of `t f`, flat, `t w f`; frames beyond the ends repeat them."""
    padded = functional.pad(frames.T[None], (before, after), mode="replicate")[0].T
    unfolded = padded.unfold(0, before + 1 + after, 1)
    return rearrange(unfolded, "t f w -> t (w f)").contiguous()


def nearest(queries: Tensor, keys: Tensor) -> Tensor:
    """Index of the nearest row of `keys` for every row of `queries`, by Euclidean distance."""
    return torch.cdist(queries, keys).argmin(dim=1)
