"""`retrieval`: for every window of speech, the motion of the training window that sounds nearest.

Windows overlap by half and are faded into each other, so that motion does not jump.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.methods.method import Motion
from vasa.evaluation.methods.motion_library import LibraryClip
from vasa.evaluation.methods.speech import SpeechWindows, nearest, windows
from vasa.types import InputError


class Retrieval:
    """Nearest neighbours in log-mel space.

    Args:
        library: training clips.
        speech: how speech is heard.
        window_frames: of a window, even.
        facts: of the library.
    """

    name = "retrieval"
    num_samples = 1

    def __init__(
        self,
        *,
        library: Callable[[], Sequence[LibraryClip]],
        speech: SpeechWindows,
        window_frames: int,
        facts: dict[str, Any],
    ) -> None:
        self.library = library
        self.speech = speech
        self.window = window_frames
        self.facts = facts | {"window_frames": window_frames}

    @cached_property
    def _known(self) -> tuple[Tensor, Tensor]:
        """Speech `k (w f)` and motion `k w m` of every training window tracked as a whole."""
        heard, moved = [], []
        for clip in self.library():
            if len(clip.motion) < self.window:
                continue
            is_whole = clip.valid.unfold(0, self.window, 1).all(dim=1)
            heard.append(clip.speech.unfold(0, self.window, 1).flatten(1)[is_whole])
            moved.append(clip.motion.unfold(0, self.window, 1).transpose(1, 2)[is_whole])
        if not sum(map(len, heard)):
            raise InputError(
                f"expected training clips with {self.window} tracked frames in a row for "
                "retrieval, found none; lower evaluation.methods.retrieval_frames, name another "
                "set in evaluation.methods.library, or leave retrieval out"
            )
        return torch.cat(heard), torch.cat(moved)

    def __call__(self, clip: EvaluationClip, /, *, sample: int) -> Motion:
        """See Method."""
        heard, moved = self._known
        length, half = len(clip.frames), self.window // 2
        frames = self.speech.frames(clip.audio)
        starts = torch.arange(-half, length, half)
        # Windows reach beyond both ends, so that every frame has two; ends are repeated there.
        padded = windows(frames, before=0, after=self.window - 1)
        first = padded[starts.clamp(min=0, max=len(padded) - 1)]
        queries = first.unflatten(1, (self.window, -1)).transpose(1, 2).flatten(1)
        chosen = moved[nearest(queries, heard)]
        fade = torch.hann_window(2 * half + 2)[1:-1]
        total = moved.new_zeros(length + 2 * self.window, moved.shape[-1])
        weight = moved.new_zeros(len(total), 1)
        for start, piece in zip(starts.tolist(), chosen, strict=True):
            place = slice(start + self.window, start + 2 * self.window)
            total[place] += fade[:, None] * piece
            weight[place] += fade[:, None]
        kept = slice(self.window, self.window + length)
        return Motion(motion=total[kept] / weight[kept])
