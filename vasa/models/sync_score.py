"""S_C and S_D: how surely, and how well, sound and lips fit at some time shift (VASA-1 sec. 4.2).

The procedure of Chung and Zisserman 2016 ("Out of time", sec. 4) and of its reference code:

    d(s) = mean over i of || v_i - a_(i+s) ||,  s = -15 .. 15 frames
    S_D = min_s d(s),  S_C = median_s d(s) - min_s d(s),  offset = argmin_s d(s)

`published_result` is that procedure to the letter (github.com/joonson/syncnet_python,
SyncNetInstance.py) and scores the published weights: S_C(official). `sync_result` scores own
networks: S_C(own). What differs there: the reference pads missing audio with zero vectors; here
only windows that exist are compared, and the largest shift leaves at least half of the windows to
compare, so a 75-frame clip has 31 candidate shifts and a 30-frame clip 25. Embeddings of own
networks have unit length (but for the published architecture), distances are 0 to 2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

MAX_SHIFT_FRAMES = 15
MIN_WINDOWS = 4
_DISTANCE_EPS = 1e-6


class SyncTowers(Protocol):
    """What a SyncNet is to those who score with it.

    Attributes:
        least_frames: that hold one window.
    """

    least_frames: int

    def embed_video(self, clip: Tensor) -> Tensor:
        """`b t c h w` in [0, 1] to embeddings of windows `b t-least_frames+1 e`."""
        ...

    def embed_audio(self, audio: Tensor) -> Tensor:
        """`b 640t` to embeddings of the same windows."""
        ...


@dataclass(frozen=True, kw_only=True)
class SyncResult:
    """What SyncNet says of one clip.

    Attributes:
        shift_distances: d(s) for s = -max_shift .. max_shift, float64 `2 max_shift + 1`.
        max_shift: the largest shift tried, frames.
    """

    shift_distances: Tensor
    max_shift: int

    @property
    def distance(self) -> float:
        """S_D, 0 to 2 for embeddings of unit length, lower is better."""
        return float(self.shift_distances.min())

    @property
    def confidence(self) -> float:
        """S_C, 0 or more, higher is better."""
        ordered = self.shift_distances.sort().values
        middle = len(ordered) // 2  # an odd number of candidates, always
        return float(ordered[middle] - ordered[0])

    @property
    def offset_frames(self) -> int:
        """The best shift s (video window i fits sound i + s); positive: the sound is late.

        The reference prints the opposite sign as its AV offset.
        """
        return int(self.shift_distances.argmin()) - self.max_shift

    @property
    def num_candidates(self) -> int:
        """Shifts tried; picking the right one blindly succeeds once in this many."""
        return len(self.shift_distances)


def largest_shift(num_windows: int) -> int:
    """The largest shift that leaves half of the windows to compare, at most 15 frames."""
    return min(MAX_SHIFT_FRAMES, num_windows // 2 - (num_windows % 2 == 0))


def sync_result(video: Tensor, audio: Tensor) -> SyncResult:
    """Distances over time shifts of one clip's window embeddings.

    Args:
        video: embeddings of consecutive video windows, `t e`.
        audio: embeddings of the sound of the same windows, `t e`.
    """
    num_windows = _checked_length(video, audio)
    max_shift = largest_shift(num_windows)
    pairs = torch.cdist(video.double(), audio.double(), compute_mode="donot_use_mm_for_euclid_dist")
    distances = [pairs.diagonal(shift).mean() for shift in range(-max_shift, max_shift + 1)]
    return SyncResult(shift_distances=torch.stack(distances), max_shift=max_shift)


def published_result(video: Tensor, audio: Tensor) -> SyncResult:
    """The same by the published procedure: 31 shifts whatever the length, zeros beyond the ends.

    d(s) = mean over all i of || v_i - a_(i+s) + 1e-6 ||, where a_j = 0 outside of the clip.

    Args:
        video: embeddings of consecutive video windows, `t e`; the reference makes t - 5 of t
            frames.
        audio: embeddings of the sound of the same windows, `t e`.
    """
    num_windows = _checked_length(video, audio)
    padded = functional.pad(audio.double(), (0, 0, MAX_SHIFT_FRAMES, MAX_SHIFT_FRAMES))
    distances = [
        functional.pairwise_distance(
            video.double(), padded[start : start + num_windows], eps=_DISTANCE_EPS
        ).mean()
        for start in range(2 * MAX_SHIFT_FRAMES + 1)
    ]
    return SyncResult(shift_distances=torch.stack(distances), max_shift=MAX_SHIFT_FRAMES)


def _checked_length(video: Tensor, audio: Tensor) -> int:
    if video.shape != audio.shape or len(video) < MIN_WINDOWS:
        raise ValueError(
            f"expected as many sound windows as video windows and at least {MIN_WINDOWS}, got "
            f"{tuple(audio.shape)} and {tuple(video.shape)}"
        )
    return len(video)


@torch.inference_mode()
def score_clip(
    net: SyncTowers,
    *,
    frames: np.ndarray,
    audio: np.ndarray,
    compare: Callable[[Tensor, Tensor], SyncResult] = sync_result,
) -> SyncResult:
    """Score one clip with a SyncNet in eval mode.

    Args:
        net: the scorer; it must never have been a training loss of what it scores.
        frames: face crops, uint8 `t h w 3`, 25 fps.
        audio: mono float32 at 16 kHz, `640 t` samples (surplus of either is cut off).
        compare: `sync_result`, or `published_result` for the published weights.
    """
    num_frames = min(len(frames), len(audio) // 640)
    assert isinstance(net, torch.nn.Module)
    device = next(net.parameters()).device
    clip = torch.from_numpy(np.ascontiguousarray(frames[:num_frames])).to(device)
    sound = torch.from_numpy(np.ascontiguousarray(audio[: 640 * num_frames])).to(device)
    video = net.embed_video(clip.permute(0, 3, 1, 2).float()[None] / 255)[0]
    return compare(video.cpu(), net.embed_audio(sound.float()[None])[0].cpu())
