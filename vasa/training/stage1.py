"""Stage 1: a batch of frame pairs through the face autoencoder and its losses (VASA-1 sec. 3.1)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from vasa.data.augment import colour_jitter, smooth_flow
from vasa.data.order import step_generator
from vasa.losses.cross_identity import cross_identity_loss
from vasa.losses.motion_transfer import MotionTarget, motion_transfer_loss
from vasa.losses.perceptual import perceptual_loss
from vasa.losses.pose import pose_loss
from vasa.losses.reconstruction import reconstruction_loss
from vasa.losses.regions import region_weights
from vasa.losses.transfer_consistency import transfer_consistency_loss
from vasa.models.checkpoint import load_model
from vasa.models.face_autoencoder import FaceAutoencoder
from vasa.training.optimisation import adamw_cosine
from vasa.types import FaceLatents


@dataclass(frozen=True, kw_only=True)
class Stage1Weights:
    """Weights of the losses; each loss is logged, also at weight 0.

    Attributes:
        reconstruction: weighted L1.
        perceptual: features of the loss expert.
        pose: pose code against labels.
        consistency: VASA-1's transfer consistency.
        cross_identity: VASA-1's cross-identity term.
        transfer: measured pose, mouth, gaze and blink of results without a true picture.
        mouth: region weight of the mouth in the reconstruction.
        eyes: region weight of the eyes.
    """

    reconstruction: float
    perceptual: float
    pose: float
    consistency: float
    cross_identity: float
    transfer: float
    mouth: float
    eyes: float


@dataclass(frozen=True, kw_only=True)
class DriverAugmentation:
    """How the dynamics encoder's view is spoiled.

    Attributes:
        flow_knots: control points a side of the smooth warp.
        flow_amplitude: its size, half pictures.
        colour: strength of the colour jitter.
        pose_noise: noise on the pose that places the crop, in units of `POSE_UNITS` errors.
    """

    flow_knots: int
    flow_amplitude: float
    colour: float
    pose_noise: float


class Stage1Module(lightning.LightningModule):
    """Trains the face autoencoder on pairs of frames of one video and on neighbours' motion.

    Args:
        model: the autoencoder.
        expert: run folder of the face expert that the losses look through.
        weights: weights of the losses.
        augmentation: of the dynamics encoder's view.
        lr: highest learning rate.
        final_lr: last learning rate.
        weight_decay: of AdamW.
        betas: of AdamW.
        warmup_steps: steps of linear warm-up.
        num_steps: steps in all.
        transfer_share: share of the batch that goes through the transfer and cross-identity terms.
        seed: of the augmentation.
    """

    def __init__(
        self,
        *,
        model: FaceAutoencoder,
        expert: str,
        weights: Stage1Weights,
        augmentation: DriverAugmentation,
        lr: float,
        final_lr: float,
        weight_decay: float,
        betas: list[float],
        warmup_steps: int,
        num_steps: int,
        transfer_share: float,
        seed: int,
    ) -> None:
        super().__init__()
        self.model = model
        self.weights = weights
        self.augmentation = augmentation
        self.optimisation = {
            "lr": lr,
            "final_lr": final_lr,
            "weight_decay": weight_decay,
            "betas": (betas[0], betas[1]),
            "warmup_steps": warmup_steps,
            "num_steps": num_steps,
        }
        self.transfer_share = transfer_share
        self.seed = seed
        # In a list, so that neither optimiser nor checkpoint nor EMA sees the frozen network.
        self._frozen: list[nn.Module] = [load_model(Path(expert) / "model").requires_grad_(False)]

    @property
    def expert(self) -> nn.Module:
        """The frozen network that perceptual and measured losses look through."""
        return self._frozen[0]

    def on_fit_start(self) -> None:
        """Take the frozen network along to the device."""
        self._frozen[0] = self._frozen[0].to(self.device)

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW with warm-up and cosine decay."""
        return adamw_cosine(self.model.parameters(), **self.optimisation)  # type: ignore[arg-type]

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """One step on pairs (source i, driver j) and on neighbours (s, d)."""
        terms = self.losses(batch, self.global_step)
        loss = sum(getattr(self.weights, name) * value for name, value in terms.items())
        self.log_dict({f"train/{name}": value.detach() for name, value in terms.items()})
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def losses(self, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Every loss of a batch, unweighted.

        Args:
            batch: of `FaceDataModule`: frame 0 is the source i, frame 1 the driver j.
            step: decides the augmentation.
        """
        image = batch["image"].float() / 255
        people = len(image)
        both = torch.cat((image[:, 0], image[:, 1]))
        landmarks = torch.cat((batch["landmarks"][:, 0], batch["landmarks"][:, 1]))
        latents = self._encode_for_training(both, step)
        source = _rows(latents, torch.arange(people))
        driver = _rows(latents, torch.arange(people, 2 * people))
        target = image[:, 1]

        result = self.model.decode(
            source.with_motion(z_pose=driver.z_pose, z_dyn=driver.z_dyn)
        )
        pixel_weights = region_weights(
            landmarks[people:],
            image.shape[-1],
            mouth=self.weights.mouth,
            eyes=self.weights.eyes,
        )
        label_pose = torch.cat((batch["pose"][:, 0], batch["pose"][:, 1]))
        valid = torch.cat((batch["valid"][:, 0], batch["valid"][:, 1])).float()
        terms = {
            "reconstruction": reconstruction_loss(result, target, pixel_weights),
            "perceptual": perceptual_loss(result, target, self.expert.features),
            "pose": pose_loss(latents.z_pose, label_pose, valid),
        }
        terms |= self._transfer_terms(batch, image, source, driver)
        return terms

    def _transfer_terms(
        self, batch: dict[str, Tensor], image: Tensor, source: FaceLatents, driver: FaceLatents
    ) -> dict[str, Tensor]:
        """Terms on results that have no true picture, on a share of the batch."""
        people = len(image)
        some = torch.arange(max(2, round(people * self.transfer_share)))
        others = (some + 1) % people
        i, j, other = _rows(source, some), _rows(driver, some), _rows(driver, others)
        results = self.model.decode(
            FaceLatents(
                app_volume=torch.cat((j.app_volume, i.app_volume, i.app_volume)),
                z_id=torch.cat((j.z_id, i.z_id, i.z_id)),
                z_pose=torch.cat((i.z_pose, i.z_pose, other.z_pose)),
                z_dyn=torch.cat((j.z_dyn, j.z_dyn, other.z_dyn)),
            )
        )
        posed, animated, crossed = results.chunk(3)
        measured = self.expert(torch.cat((posed, crossed)))
        with torch.no_grad():
            source_embedding = self.expert(image[some, 0]).identity
        target = MotionTarget(
            pose=torch.cat((batch["pose"][some, 0], batch["pose"][others, 1])),
            mouth=torch.cat((batch["mouth"][some, 1], batch["mouth"][others, 1])),
            gaze=torch.cat((batch["gaze"][some, 1], batch["gaze"][others, 1])),
            blink=torch.cat((batch["blink"][some, 1], batch["blink"][others, 1])),
            valid=torch.cat((batch["valid"][some].all(1), batch["valid"][others, 1])).float(),
        )
        return {
            "consistency": transfer_consistency_loss(
                posed, animated, self.expert.features, perceptual_weight=1.0
            ),
            "cross_identity": cross_identity_loss(
                measured.identity[len(some) :], source_embedding
            ),
            "transfer": motion_transfer_loss(measured, target),
        }

    def _encode_for_training(self, image: Tensor, step: int) -> FaceLatents:
        """`FaceAutoencoder.encode` with the dynamics encoder's view augmented."""
        model, augmentation = self.model, self.augmentation
        generator = step_generator(self.seed, step, "driver-augmentation")
        z_pose = model.pose(image).float()
        noise = torch.randn(z_pose.shape, generator=generator).to(z_pose)
        units = torch.tensor((0.1, 0.1, 0.1, 0.05, 0.05, 0.05)).to(z_pose)
        flow = smooth_flow(
            generator,
            batch=len(image),
            size=model.image_size,
            knots=augmentation.flow_knots,
            amplitude=augmentation.flow_amplitude,
        )
        crop = model.dynamics_crop(
            image, z_pose.detach() + augmentation.pose_noise * units * noise, flow.to(image)
        )
        z_dyn = model.dynamics(colour_jitter(crop, generator, strength=augmentation.colour)).float()
        z_id = model.identity(image).float()
        volume = model.canonical_volume(image, z_id=z_id, z_pose=z_pose, z_dyn=z_dyn)
        return FaceLatents(app_volume=volume, z_id=z_id, z_pose=z_pose, z_dyn=z_dyn)

    @torch.no_grad()
    def sample_images(self) -> dict[str, Tensor]:
        """A sheet of source | driver | result | another's driver | result."""
        batch = self.trainer.datamodule.batch_at(0)  # type: ignore[attr-defined]
        image = batch["image"][:8].to(self.device).float() / 255
        source, driver, other = image[:, 0], image[:, 1], image[:, 1].roll(-1, 0)
        columns = (source, driver, self.model(source, driver), other, self.model(source, other))
        sheet = torch.cat([torch.cat(list(column), dim=1) for column in columns], dim=2)
        return {"reenactment": sheet.cpu()}


def _rows(latents: FaceLatents, rows: Tensor) -> FaceLatents:
    """Some faces of a batch."""
    return FaceLatents(
        app_volume=latents.app_volume[rows],
        z_id=latents.z_id[rows],
        z_pose=latents.z_pose[rows],
        z_dyn=latents.z_dyn[rows],
    )
