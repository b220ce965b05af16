"""Who scores lip sync: an own SyncNet from its run, or the published one, each by its procedure."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vasa.models.checkpoint import load_model, model_hash
from vasa.models.sync_score import (
    MIN_WINDOWS,
    SyncResult,
    SyncTowers,
    published_result,
    score_clip,
    sync_result,
)
from vasa.pretrained.syncnet import describe_official_syncnet, load_official_syncnet
from vasa.types import InputError

CPU = torch.device("cpu")
OFFICIAL = "official"
"""What stands in place of a run folder for the published weights."""


@dataclass(frozen=True, kw_only=True)
class SyncScorer:
    """A frozen SyncNet and the way its embeddings are compared; results are on the CPU.

    Attributes:
        net: on `device`, in evaluation mode; never a training loss of what it scores.
        weights: whose scale it is: `own:<hash>` or `official:<hash>`, 8 digits.
        compare: embeddings of a clip's windows of lips and of sound to distances over shifts.
        device: where it computes.
    """

    net: SyncTowers
    weights: str
    compare: Callable[[Tensor, Tensor], SyncResult]
    device: torch.device

    @property
    def min_frames(self) -> int:
        """Frames of the shortest clip that can be scored."""
        return self.net.least_frames + MIN_WINDOWS - 1

    def embed_video(self, clip: Tensor) -> Tensor:
        """`b t c h w` in [0, 1] to embeddings of windows, `b n e`."""
        return self.net.embed_video(clip.to(self.device)).float().cpu()

    def embed_audio(self, audio: Tensor) -> Tensor:
        """`b 640t` to embeddings of the same windows, `b n e`."""
        return self.net.embed_audio(audio.to(self.device)).float().cpu()

    def result(self, video: Tensor, audio: Tensor, *, delay_frames: int = 0) -> SyncResult:
        """Distances over shifts of windows' embeddings, as far as both reach.

        Args:
            video: `n e`.
            audio: `m e`.
            delay_frames: by which the sound is made late, or early where it is negative: windows
                are paired anew and those without a partner left out.
        """
        video = video[max(delay_frames, 0) :]
        audio = audio[max(-delay_frames, 0) :]
        common = min(len(video), len(audio))
        return self.compare(video[:common], audio[:common])

    def score(self, *, frames: np.ndarray, audio: np.ndarray) -> SyncResult:
        """Scores one clip: uint8 `t h w 3` and `640 t` samples; see `score_clip`."""
        return score_clip(self.net, frames=frames, audio=audio, compare=self.compare)


def load_sync_scorer(model: str | Path, *, device: torch.device = CPU) -> SyncScorer:
    """The scorer that a configuration names.

    Args:
        model: `official`, or the run folder of a SyncNet.
        device: where it computes.

    Raises:
        InputError: missing weights, or a run of another network.
    """
    if is_official(model):
        net: Any = load_official_syncnet()
    else:
        net = load_model(model).requires_grad_(False)
        if not hasattr(net, "least_frames"):
            raise InputError(
                f"expected {OFFICIAL} or the run of a SyncNet, got one of {type(net).__name__} at "
                f"{model}; train it with `vasa train experiment=syncnet/tiny`"
            )
    return SyncScorer(
        net=net.to(device),
        weights=weights_name(model),
        compare=procedure_of(model),
        device=device,
    )


def is_official(model: str | Path | None) -> bool:
    """Whether a configuration asks for the published weights."""
    return str(model) == OFFICIAL


def procedure_of(model: str | Path) -> Callable[[Tensor, Tensor], SyncResult]:
    """How embeddings of a network are compared."""
    return published_result if is_official(model) else sync_result


def weights_name(model: str | Path) -> str:
    """`official:<hash>` or `own:<hash>`, 8 digits."""
    if is_official(model):
        return f"{OFFICIAL}:{describe_official_syncnet()['sha256'][:8]}"
    return f"own:{model_hash(model)[:8]}"
