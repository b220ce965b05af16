"""Trains SyncNet: spans of clips in, two embeddings that agree at the same moment."""

from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from vasa.data.crop_shift import CropShift, draw_crop_shift, shift_image
from vasa.data.order import step_generator
from vasa.data.photometric import Photometric
from vasa.data.step_datamodule import Batch
from vasa.data.sync_datamodule import SyncDataModule
from vasa.losses.sync import sync_contrastive_loss, within_clip_loss
from vasa.models.sync_score import score_clip
from vasa.models.syncnet import SyncNet
from vasa.training.optimisation import AdamWCosineModule
from vasa.training.ranks import rows_of_all, share_of


class SyncNetModule(AdamWCosineModule):
    """Contrast over time shifts; most hard negatives are other moments of the same clip.

    Args:
        model: the network that is exported.
        seed: of augmentation.
        temperature: tau at the start; it is learned.
        among_all_weight: of the loss whose negatives are of all clips of the batch.
        within_clip_weight: of the loss whose negatives are of the same clip alone.
        photometric: changes of light, colour and sharpness.
        max_log_scale: largest change of the crop's size.
        max_shift: largest shift of the crop, half pictures.
        drift: largest move of the crop within a span, half pictures: lips, not places, must count.
        max_audio_noise: strongest added sound noise, relative to the clip's level.
        optimisation: as `AdamWCosineModule`.
    """

    def __init__(
        self,
        *,
        model: SyncNet,
        seed: int,
        temperature: float,
        among_all_weight: float,
        within_clip_weight: float,
        photometric: Photometric,
        max_log_scale: float,
        max_shift: float,
        drift: float,
        max_audio_noise: float,
        **optimisation: Any,
    ) -> None:
        super().__init__(**optimisation)
        self.model = model
        self.seed = seed
        self.log_temperature = nn.Parameter(torch.tensor(temperature).log())
        self.among_all_weight = among_all_weight
        self.within_clip_weight = within_clip_weight
        self.photometric = photometric
        self.max_log_scale = max_log_scale
        self.max_shift = max_shift
        self.drift = drift
        self.max_audio_noise = max_audio_noise

    @property
    def clips(self) -> SyncDataModule:
        """The run's data."""
        return self.trainer.datamodule  # type: ignore[attr-defined,return-value]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Both forms of the contrastive loss."""
        step = self.clips.batches_consumed
        if step + 1 == self.num_steps:
            self.log_dict(self.validate())
        batch = self.augment(batch, step_generator(self.seed, step, "sync-augment"))
        video = self.model.embed_video(batch["frames"])
        audio = self.model.embed_audio(batch["audio"])
        temperature = self.log_temperature.exp().clamp(min=0.02)
        among_all = sync_contrastive_loss(
            rows_of_all(self, video), rows_of_all(self, audio), temperature=temperature
        )
        within = within_clip_loss(video, audio, temperature=temperature)
        loss = self.among_all_weight * among_all + self.within_clip_weight * within
        self.log("train/loss", loss)
        self.log("train/among_all", among_all)
        self.log("train/within_clip", within)
        self.log("train/temperature", temperature)
        return loss

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Light, colour, sharpness, mirror, place and size of the crop; a little noise in sound."""
        share = share_of(self)
        clip = batch["frames"].float() / 255
        rows, num_frames = clip.shape[:2]
        with share.drawing():
            crop = draw_crop_shift(
                rows,
                max_log_scale=self.max_log_scale,
                max_shift=self.max_shift,
                generator=generator,
            )
        with share.drawing(axis=1):
            ends = (torch.rand(2, rows, 1, 2, generator=generator) * 2 - 1) * self.drift / 2
        along = torch.linspace(0, 1, num_frames)[None, :, None]
        shift = crop.shift[:, None] + ends[0] + (ends[1] - ends[0]) * along
        crop = CropShift(scale=crop.scale.repeat_interleave(num_frames), shift=shift.flatten(0, 1))
        clip = shift_image(rearrange(clip, "b t c h w -> (b t) c h w"), crop)
        clip = rearrange(clip, "(b t) c h w -> b t c h w", b=rows)
        audio = batch["audio"]
        with share.drawing():
            mirrored = torch.rand(rows, 1, 1, 1, 1, generator=generator) < 0.5
            clip = torch.where(mirrored.to(clip.device), clip.flip(-1), clip)
            clip = self.photometric(clip, generator)
            noise = torch.randn(audio.shape, generator=generator).to(audio)
            strength = torch.rand(rows, 1, generator=generator).to(audio)
        level = audio.std(dim=-1, keepdim=True) * self.max_audio_noise
        return {"frames": clip, "audio": audio + noise * strength * level}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Whether the true offset of held-out clips is found.

        Returns:
            val/offset_accuracy (exact) beside val/offset_chance, val/offset_accuracy_1 (within one
            frame), val/confidence, val/distance. Empty where no split is held out.
        """
        self.model.eval()
        results = [
            score_clip(self.model, frames=clip.frames, audio=clip.audio)
            for clip in self.clips.held_out()
        ]
        self.model.train()
        if not results:
            return {}
        offsets = torch.tensor([result.offset_frames for result in results]).abs()
        candidates = torch.tensor([result.num_candidates for result in results])
        return {
            "val/offset_accuracy": float((offsets == 0).double().mean()),
            "val/offset_chance": float((1 / candidates).mean()),
            "val/offset_accuracy_1": float((offsets <= 1).double().mean()),
            "val/confidence": sum(result.confidence for result in results) / len(results),
            "val/distance": sum(result.distance for result in results) / len(results),
        }
