"""The SyncNet whose weights are published, layer by layer (Chung and Zisserman, ACCV-W 2016).

The network of github.com/joonson/syncnet_python (SyncNetModel.py), which differs from the paper's
in reading 224 px of the face in colour where the paper reads 111 px of the mouth in grey. Names and
places of the layers are that file's, so that its weights load strictly; the code is our own.

Pictures are BGR from 0 to 255, five frames a window; sound is 20 steps of 13 MFCC. A clip of t
frames has t - 5 windows: its last 40 ms hold three steps of MFCC and not four.
"""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from vasa.models.mfcc import STEPS_PER_FRAME, Mfcc
from vasa.models.syncnet import SAMPLES_PER_FRAME, WINDOW_FRAMES
from vasa.types import InputError

PICTURE_PX = 224
LEAST_FRAMES = WINDOW_FRAMES + 1
_PADDING = 110 / 255
"""Grey that the reference fills its crop with beyond the picture's edge."""
_FRAMES_AT_ONCE = 36


class PublishedSyncNet(nn.Module):
    """Two towers of convolutions with BatchNorm; embeddings are not normalised.

    In training the statistics of BatchNorm are of the batch's windows, those of one process alone.

    Args:
        crop: left, top and side of the square that is looked at, over the picture's side; what
            lies beyond the picture is grey.
        width_divisor: 1 is the published width; more divides all widths, for tests.
        embedding_dim: length of the embeddings, 1024 as published.
    """

    least_frames = LEAST_FRAMES

    def __init__(self, *, crop: Sequence[float], width_divisor: int, embedding_dim: int) -> None:
        super().__init__()
        self.crop = tuple(crop)
        wide = 512 // width_divisor
        self.netcnnaud = _sound_tower(width_divisor)
        self.netfcaud = _head(wide, embedding_dim)
        self.netfclip = _head(wide, embedding_dim)
        self.netcnnlip = _lip_tower(width_divisor)
        self.mfcc = Mfcc()

    def embed_video(self, clip: Tensor) -> Tensor:
        """Embed every window of five frames that has its sound.

        Args:
            clip: face crops, RGB in [0, 1], `b t c h w`, square, t >= 6.

        Returns:
            Embeddings of frames i .. i + 4, `b t-5 e`.

        Raises:
            InputError: fewer than six frames.
        """
        num_frames = clip.shape[1]
        if num_frames < LEAST_FRAMES:
            raise InputError(f"expected at least {LEAST_FRAMES} frames, got {num_frames}")
        last = num_frames - WINDOW_FRAMES  # windows
        at_once = last if self.training else _FRAMES_AT_ONCE
        parts = []
        for start in range(0, last, at_once):
            stop = min(start + at_once, last)
            parts.append(self._embed_windows(clip[:, start : stop + WINDOW_FRAMES - 1]))
        return torch.cat(parts, dim=1)

    def _embed_windows(self, clip: Tensor) -> Tensor:
        """All windows of `b t c h w`, `b t-4 e`.

        Only the first convolution sees several frames, so that a clip as a whole costs what its
        windows cost one by one, less what they share, and gives the same.
        """
        frames = rearrange(clip, "b t c h w -> (b t) c h w")
        frames = resized(cropped(frames, self.crop), PICTURE_PX).flip(1) * 255
        maps = self.netcnnlip(rearrange(frames, "(b t) c h w -> b c t h w", b=len(clip)))
        embedded = self.netfclip(rearrange(maps, "b c t 1 1 -> (b t) c"))
        return rearrange(embedded, "(b t) e -> b t e", b=len(clip))

    def embed_audio(self, audio: Tensor) -> Tensor:
        """Embed the sound of every window.

        Args:
            audio: mono at 16 kHz in [-1, 1], `b n`, n = 640 t, t >= 6.

        Returns:
            Embeddings of MFCC steps 4 i .. 4 i + 19, `b t-5 e`.

        Raises:
            InputError: a length that is not a whole number of frames, or fewer than six.
        """
        num_frames, rest = divmod(audio.shape[-1], SAMPLES_PER_FRAME)
        if rest or num_frames < LEAST_FRAMES:
            raise InputError(
                f"expected {SAMPLES_PER_FRAME} audio samples a frame and at least {LEAST_FRAMES} "
                f"frames, got {audio.shape[-1]} samples"
            )
        steps = WINDOW_FRAMES * STEPS_PER_FRAME
        windows = self.mfcc(audio).unfold(1, steps, STEPS_PER_FRAME)  # b t 13 20
        maps = self.netcnnaud(rearrange(windows, "b t f s -> (b t) 1 f s"))
        embedded = self.netfcaud(rearrange(maps, "b c 1 1 -> b c"))
        return rearrange(embedded, "(b t) e -> b t e", b=len(audio))


def cropped(frames: Tensor, crop: Sequence[float]) -> Tensor:
    """The square `crop` of pictures `n c h w`, in whole pixels, grey where there is no picture.

    Args:
        frames: square.
        crop: left, top and side over the picture's side.
    """
    size = frames.shape[-1]
    left, top, side = (round(part * size) for part in crop)
    right, bottom = left + side, top + side
    inside = frames[..., max(top, 0) : bottom, max(left, 0) : right]
    edges = (max(-left, 0), max(right - size, 0), max(-top, 0), max(bottom - size, 0))
    return functional.pad(inside, edges, value=_PADDING)


def resized(frames: Tensor, size: int) -> Tensor:
    """Square pictures at another size, bilinear; smaller ones are smoothed first."""
    if frames.shape[-2:] == (size, size):
        return frames
    return functional.interpolate(
        frames, (size, size), mode="bilinear", align_corners=False, antialias=True
    )


def _sound_tower(divisor: int) -> nn.Sequential:
    """MFCC `b 1 13 20` to `b 512 1 1`."""
    a, b, c, d, e = (width // divisor for width in (64, 192, 384, 256, 512))
    return nn.Sequential(
        *_conv2d(1, a),
        nn.MaxPool2d(1, stride=1),  # nothing, but it takes a place in the numbering
        *_conv2d(a, b),
        nn.MaxPool2d(3, stride=(1, 2)),
        *_conv2d(b, c),
        *_conv2d(c, d),
        *_conv2d(d, d),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(d, e, (5, 4)),
        nn.BatchNorm2d(e),
        nn.ReLU(),
    )


def _lip_tower(divisor: int) -> nn.Sequential:
    """Pictures `b 3 t 224 224` to `b 512 t-4 1 1`."""
    a, b, c = (width // divisor for width in (96, 256, 512))
    window, stride = (1, 3, 3), (1, 2, 2)
    return nn.Sequential(
        *_conv3d(3, a, (5, 7, 7), stride=(1, 2, 2)),
        nn.MaxPool3d(window, stride),
        *_conv3d(a, b, (1, 5, 5), stride=(1, 2, 2), padding=(0, 1, 1)),
        nn.MaxPool3d(window, stride, padding=(0, 1, 1)),
        *_conv3d(b, b, (1, 3, 3), padding=(0, 1, 1)),
        *_conv3d(b, b, (1, 3, 3), padding=(0, 1, 1)),
        *_conv3d(b, b, (1, 3, 3), padding=(0, 1, 1)),
        nn.MaxPool3d(window, stride),
        *_conv3d(b, c, (1, 6, 6)),
    )


def _head(width: int, embedding_dim: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, embedding_dim)
    )


def _conv2d(inner: int, outer: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inner, outer, 3, padding=1), nn.BatchNorm2d(outer), nn.ReLU()


def _conv3d(
    inner: int,
    outer: int,
    kernel: tuple[int, int, int],
    *,
    stride: tuple[int, int, int] = (1, 1, 1),
    padding: tuple[int, int, int] = (0, 0, 0),
) -> tuple[nn.Module, ...]:
    return (
        nn.Conv3d(inner, outer, kernel, stride=stride, padding=padding),
        nn.BatchNorm3d(outer),
        nn.ReLU(),
    )
