"""Trains CAPP: windows of head pose and sound in, two embeddings that agree (VASA-1 sec. 4.2)."""

from typing import Any

import torch
from torch import Tensor, nn

from vasa.data.capp_datamodule import CappDataModule
from vasa.data.order import step_generator
from vasa.data.pose_windows import LEAST_VALID, stack_windows, window_of
from vasa.data.step_datamodule import Batch
from vasa.losses.audio_pose import symmetric_contrastive_loss
from vasa.models.capp import NUM_POSE, Capp, pose_features
from vasa.training.optimisation import AdamWCosineModule
from vasa.training.ranks import rows_of_all, share_of
from vasa.types import InputError

LEAST_TEMPERATURE = 0.01
MIRROR = (-1.0, 1.0, -1.0, -1.0, 1.0, 1.0)
"""What a mirrored picture does to yaw, pitch, roll, tx, ty, log scale."""


class CappModule(AdamWCosineModule):
    """Contrast over the windows of a batch, both ways.

    Args:
        model: the network that is exported.
        seed: of augmentation.
        temperature: tau at the start; it is learned.
        pose_noise: deviation of the noise on each frame's pose over that of poses in a window:
            labels of real clips tremble, and what is smaller than the tremble says nothing.
        max_gain_db: the sound is made louder or softer by this much, at most.
        max_audio_noise: strongest added sound noise, relative to the window's level.
        statistics_batches: batches that means and deviations of the inputs are measured on.
        optimisation: as `AdamWCosineModule`.
    """

    def __init__(
        self,
        *,
        model: Capp,
        seed: int,
        temperature: float,
        pose_noise: float,
        max_gain_db: float,
        max_audio_noise: float,
        statistics_batches: int,
        **optimisation: Any,
    ) -> None:
        super().__init__(**optimisation)
        self.model = model
        self.seed = seed
        self.log_temperature = nn.Parameter(torch.tensor(temperature).log())
        self.pose_noise = pose_noise
        self.max_gain_db = max_gain_db
        self.max_audio_noise = max_audio_noise
        self.statistics_batches = statistics_batches

    @property
    def clips(self) -> CappDataModule:
        """The run's data."""
        return self.trainer.datamodule  # type: ignore[attr-defined,return-value]

    def setup(self, stage: str) -> None:
        """Means and deviations of the inputs come from the data.

        Raises:
            InputError: the data's windows are not the model's.
        """
        if self.clips.span_frames != self.model.window:
            raise InputError(
                f"expected data.span_frames={self.model.window}, the model's window, got "
                f"{self.clips.span_frames}"
            )
        poses, sounds = [], []
        for step in range(self.statistics_batches):
            batch = self.clips.batch_at(step)
            poses.append(pose_features(batch["pose"], batch["valid"])[batch["valid"]])
            sounds.append(self.model.audio(batch["audio"]).flatten(0, 1))
        pose, sound = torch.cat(poses), torch.cat(sounds)
        self.model.pose_scale.set(torch.zeros(2 * NUM_POSE), pose.std(0))
        self.model.audio_scale.set(sound.mean(0), sound.std(0))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The contrastive loss of one batch."""
        step = self.clips.batches_consumed
        if step + 1 == self.num_steps:
            self.log_dict(self.validate())
        with share_of(self).drawing():
            batch = self.augment(batch, step_generator(self.seed, step, "capp-augment"))
        pose = rows_of_all(self, self.model.embed_pose(batch["pose"], batch["valid"]))
        audio = rows_of_all(self, self.model.embed_audio(batch["audio"]))
        temperature = self.log_temperature.exp().clamp(min=LEAST_TEMPERATURE)
        loss = symmetric_contrastive_loss(pose, audio, temperature=temperature)
        own = torch.arange(len(pose), device=pose.device)
        self.log("train/loss", loss)
        self.log("train/matched", ((pose @ audio.T).argmax(1) == own).float().mean())
        self.log("train/temperature", temperature)
        return loss

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Mirrored heads, trembling labels, other levels, a little noise in the sound."""
        pose, audio = batch["pose"], batch["audio"]
        rows = len(pose)
        mirrored = torch.rand(rows, 1, 1, generator=generator).to(pose) < 0.5
        pose = torch.where(mirrored, pose * pose.new_tensor(MIRROR), pose)
        tremble = torch.randn(pose.shape, generator=generator).to(pose)
        pose = pose + tremble * self.pose_noise * self.model.pose_scale.std[:NUM_POSE]
        gain_db = (torch.rand(rows, 1, generator=generator) * 2 - 1) * self.max_gain_db
        strength = torch.rand(rows, 1, generator=generator) * self.max_audio_noise
        noise = torch.randn(audio.shape, generator=generator).to(audio)
        level = audio.std(dim=-1, keepdim=True) * strength.to(audio)
        audio = (audio + noise * level) * 10 ** (gain_db.to(audio) / 20)
        return {**batch, "pose": pose, "audio": audio}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The middle window of each held-out clip among those of all.

        Returns:
            val/capp (cosine of the pairs), val/capp_shuffled (of all other pairs), val/loss beside
            val/loss_chance (log of their number) at the temperature so far, val/matched (share of
            poses that find their sound) beside val/matched_chance. Empty where no split is held
            out or holds fewer than two clips.
        """
        length = self.model.window
        windows = [
            window_of(clip, start=(len(clip.labels.pose) - length) // 2, num_frames=length)
            for clip in self.clips.held_out()
        ]
        windows = [window for window in windows if window.valid.mean() >= LEAST_VALID]
        if len(windows) < 2:
            return {}
        self.model.eval()
        batch = {name: value.to(self.device) for name, value in stack_windows(windows).items()}
        pose = self.model.embed_pose(batch["pose"], batch["valid"])
        audio = self.model.embed_audio(batch["audio"])
        self.model.train()
        cosines = pose @ audio.T
        own = torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
        temperature = self.log_temperature.exp().clamp(min=LEAST_TEMPERATURE)
        loss = symmetric_contrastive_loss(pose, audio, temperature=temperature)
        matched = cosines.argmax(1) == torch.arange(len(cosines), device=cosines.device)
        return {
            "val/capp": float(cosines[own].mean()),
            "val/capp_shuffled": float(cosines[~own].mean()),
            "val/loss": float(loss),
            "val/loss_chance": float(torch.tensor(float(len(cosines))).log()),
            "val/matched": float(matched.float().mean()),
            "val/matched_chance": 1 / len(cosines),
        }
