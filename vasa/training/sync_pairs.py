"""Trains the published SyncNet as it was published: pairs that match and pairs that do not."""

from typing import Any

import torch
from einops import rearrange, repeat
from torch import Tensor

from vasa.data.step_datamodule import Batch
from vasa.losses.sync_pairs import margin_contrastive_loss
from vasa.training.ranks import share_of
from vasa.training.sync_training import SyncTraining


class SyncPairsModule(SyncTraining):
    """The margin contrastive loss of Chung and Zisserman 2016 on lips and sound of a clip.

    Batches are those of `SyncPairDataModule`. The mean distances of both kinds of pairs are logged:
    as long as they are one, nothing has been learned, whatever the loss does.

    Args:
        margin: of the loss.
        max_volume_change: largest relative change of the sound's level; the paper has 0.1.
        training: as `SyncTraining`.
    """

    def __init__(self, *, margin: float, max_volume_change: float, **training: Any) -> None:
        super().__init__(**training)
        self.margin = margin
        self.max_volume_change = max_volume_change

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """As `SyncTraining`, and the level of the sound."""
        batch = super().augment(batch, generator)
        audio = batch["audio"]
        with share_of(self).drawing():
            change = torch.rand(len(audio), 1, generator=generator).to(audio) * 2 - 1
        return {**batch, "audio": audio * (1 + self.max_volume_change * change)}

    def loss_of(self, batch: Batch) -> Tensor:
        """The loss of all windows of the spans."""
        video = self.model.embed_video(batch["frames"])
        audio = self.model.embed_audio(batch["audio"])
        is_match = repeat(batch["is_match"], "b -> (b t)", t=video.shape[1])
        video, audio = (rearrange(rows, "b t e -> (b t) e").float() for rows in (video, audio))
        distance = (video - audio).detach().norm(dim=-1)
        self.log("train/match_distance", distance[is_match].mean().nan_to_num())
        self.log("train/mismatch_distance", distance[~is_match].mean().nan_to_num())
        return margin_contrastive_loss(video, audio, is_match, margin=self.margin)
