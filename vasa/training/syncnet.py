"""Trains SyncNet: spans of clips in, two embeddings that agree at the same moment."""

from typing import Any

import torch
from torch import Tensor, nn

from vasa.data.step_datamodule import Batch
from vasa.losses.sync import sync_contrastive_loss, within_clip_loss
from vasa.training.ranks import rows_of_all
from vasa.training.sync_training import SyncTraining


class SyncNetModule(SyncTraining):
    """Contrast over time shifts; most hard negatives are other moments of the same clip.

    Args:
        temperature: tau at the start; it is learned.
        among_all_weight: of the loss whose negatives are of all clips of the batch.
        within_clip_weight: of the loss whose negatives are of the same clip alone.
        training: as `SyncTraining`.
    """

    def __init__(
        self,
        *,
        temperature: float,
        among_all_weight: float,
        within_clip_weight: float,
        **training: Any,
    ) -> None:
        super().__init__(**training)
        self.log_temperature = nn.Parameter(torch.tensor(temperature).log())
        self.among_all_weight = among_all_weight
        self.within_clip_weight = within_clip_weight

    def loss_of(self, batch: Batch) -> Tensor:
        """Both forms of the contrastive loss."""
        video = self.model.embed_video(batch["frames"])
        audio = self.model.embed_audio(batch["audio"])
        temperature = self.log_temperature.exp().clamp(min=0.02)
        among_all = sync_contrastive_loss(
            rows_of_all(self, video), rows_of_all(self, audio), temperature=temperature
        )
        within = within_clip_loss(video, audio, temperature=temperature)
        self.log("train/among_all", among_all)
        self.log("train/within_clip", within)
        self.log("train/temperature", temperature)
        return self.among_all_weight * among_all + self.within_clip_weight * within
