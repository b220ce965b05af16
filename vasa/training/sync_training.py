"""What every training of a SyncNet does alike: augmentation, and a look at held-out people."""

from abc import abstractmethod
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from vasa.data.crop_shift import CropShift, draw_crop_shift, shift_image
from vasa.data.order import step_generator
from vasa.data.photometric import Photometric
from vasa.data.step_datamodule import Batch
from vasa.data.sync_datamodule import SyncDataModule
from vasa.models.sync_score import score_clip
from vasa.training.optimisation import AdamWCosineModule
from vasa.training.ranks import share_of


class SyncTraining(AdamWCosineModule):
    """Spans of clips, changed in picture and sound, and a loss of them that a subclass has.

    Args:
        model: the network that is exported, with `embed_video`, `embed_audio` and `least_frames`.
        seed: of augmentation.
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
        model: Any,
        seed: int,
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
        """The subclass's loss of the augmented batch."""
        step = self.clips.batches_consumed
        if step + 1 == self.num_steps:
            self.log_dict(self.validate())
        batch = self.augment(batch, step_generator(self.seed, step, "sync-augment"))
        loss = self.loss_of(batch)
        self.log("train/loss", loss)
        return loss

    @abstractmethod
    def loss_of(self, batch: Batch) -> Tensor:
        """The loss of an augmented batch: `frames` `b t c h w` in [0, 1], `audio` `b 640t`."""

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
        return {**batch, "frames": clip, "audio": audio + noise * strength * level}

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
