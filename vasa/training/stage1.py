"""Stage 1: a batch of frame pairs through the face autoencoder and its losses (VASA-1 sec. 3.1)."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import lightning
import torch
from torch import Tensor, nn

from vasa.data.augment import colour_jitter, smooth_flow
from vasa.data.order import step_generator
from vasa.losses.bottleneck import bottleneck_loss
from vasa.losses.cross_identity import cross_identity_loss
from vasa.losses.motion_transfer import MotionTarget, dynamics_loss, motion_transfer_loss
from vasa.losses.perceptual import perceptual_loss
from vasa.losses.pose import POSE_UNITS, landmark_loss, pose_loss
from vasa.losses.reconstruction import reconstruction_loss, squared_error_loss
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
        squared: weighted squared error.
        perceptual: features of the loss expert.
        pose: pose code against labels.
        landmarks: places that the pose is read from, against labels.
        consistency: VASA-1's transfer consistency.
        cross_identity: VASA-1's cross-identity term.
        transfer: measured pose, mouth, gaze and blink of results and of transfers.
        dynamics: mouth, gaze and blink read linearly off the dynamics code, against labels.
        bottleneck: information in the dynamics code.
        mouth: region weight of the mouth in the reconstruction.
        eyes: region weight of the eyes.
    """

    reconstruction: float
    squared: float
    perceptual: float
    pose: float
    landmarks: float
    consistency: float
    cross_identity: float
    transfer: float
    dynamics: float
    bottleneck: float
    mouth: float
    eyes: float


@dataclass(frozen=True, kw_only=True)
class DriverAugmentation:
    """How the dynamics encoder's view is spoiled.

    Attributes:
        flow_knots: control points a side of the smooth warp.
        flow_amplitude: its size, half pictures.
        colour: strength of the colour jitter.
        pose_noise: noise on the pose that places the crops, in units of `POSE_UNITS`.
        code_noise: noise on the dynamics code, the bottleneck's sigma.
    """

    flow_knots: int
    flow_amplitude: float
    colour: float
    pose_noise: float
    code_noise: float


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
        encoder_steps: steps at the start in which only the motion encoders learn, from labels;
            they cost a tenth of the others. (MegaPortraits takes its pose network trained.)
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
        encoder_steps: int,
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
        self.encoder_steps = encoder_steps
        self.readout = nn.Linear(model.z_dyn_dim, 5)
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
        return adamw_cosine(self.parameters(), **self.optimisation)  # type: ignore[arg-type]

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """One step on pairs (source i, driver j) and on neighbours (s, d)."""
        terms = self.losses(batch, self.global_step)
        weighted = (getattr(self.weights, name) * value for name, value in terms.items())
        loss = cast(Tensor, sum(weighted))
        self.log_dict({f"train/{name}": value.detach() for name, value in terms.items()})
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def losses(self, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """Every loss of a batch, unweighted.

        Args:
            batch: of `FaceDataModule`: frame 0 is the source i, frame 1 the driver j.
            step: decides the augmentation.
        """
        people = len(batch["image"])
        flat = {
            name: value.transpose(0, 1).flatten(0, 1)
            for name, value in batch.items()
            if name != "speaker"
        }  # all sources, then all drivers
        image = flat["image"].float() / 255
        valid = flat["valid"].float()
        landmarks, z_pose, code, z_dyn = self._motion_for_training(flat, image, step)
        motion_terms = {
            "pose": pose_loss(z_pose, flat["pose"], valid),
            "landmarks": landmark_loss(landmarks, flat["landmarks"], valid),
            "dynamics": dynamics_loss(self.readout(z_dyn), _face_target(flat, slice(None))),
            "bottleneck": bottleneck_loss(code, sigma=self.augmentation.code_noise),
        }
        if step < self.encoder_steps:
            return motion_terms

        # The driver's appearance is needed where the transfer terms are taken, on some people.
        some = max(2, round(people * self.transfer_share))
        rows = people + some
        z_id = self.model.identity(image[:rows]).float()
        latents = FaceLatents(
            app_volume=self.model.canonical_volume(
                image[:rows], z_id=z_id, z_pose=z_pose[:rows], z_dyn=z_dyn[:rows]
            ),
            z_id=z_id,
            z_pose=z_pose,
            z_dyn=z_dyn,
        )
        result = self.model.decode(
            FaceLatents(
                app_volume=latents.app_volume[:people],
                z_id=z_id[:people],
                z_pose=z_pose[people:],
                z_dyn=z_dyn[people:],
            )
        )
        target = image[people:]
        pixel_weights = region_weights(
            flat["landmarks"][people:],
            image.shape[-1],
            mouth=self.weights.mouth,
            eyes=self.weights.eyes,
        )
        return {
            "reconstruction": reconstruction_loss(result, target, pixel_weights),
            "squared": squared_error_loss(result, target, pixel_weights),
            "perceptual": perceptual_loss(result, target, self.expert.features),
            **motion_terms,
            **self._transfer_terms(flat, image, latents, result, some),
        }

    def _transfer_terms(
        self,
        flat: dict[str, Tensor],
        image: Tensor,
        latents: FaceLatents,
        result: Tensor,
        some: int,
    ) -> dict[str, Tensor]:
        """Terms on transfers, for the first `some` people; measured motion also on `result`.

        The result's own motion is measured too: it is what a small mouth adds to a mean over
        pixels too faintly.
        """
        people = len(image) // 2
        i = torch.arange(some)
        j = people + i
        other = people + (i + 1) % people

        appearance, posing, moving = (
            torch.cat(rows) for rows in ((j, i, i), (i, i, other), (j, j, other))
        )
        transferred = self.model.decode(
            FaceLatents(
                app_volume=latents.app_volume[appearance],
                z_id=latents.z_id[appearance],
                z_pose=latents.z_pose[posing],
                z_dyn=latents.z_dyn[moving],
            )
        )
        posed, animated, crossed = transferred.chunk(3)
        measured = self.expert(torch.cat((posed, crossed, result)))
        with torch.no_grad():
            source_embedding = self.expert(image[i]).identity
        drivers = torch.arange(people, 2 * people)
        target = replace(
            _face_target(flat, torch.cat((j, other, drivers))),
            pose=flat["pose"][torch.cat((i, other, drivers))],
        )
        return {
            "consistency": transfer_consistency_loss(
                posed, animated, self.expert.features, perceptual_weight=1.0
            ),
            "cross_identity": cross_identity_loss(
                measured.identity[some : 2 * some], source_embedding
            ),
            "transfer": motion_transfer_loss(measured, target),
        }

    def _motion_for_training(
        self, flat: dict[str, Tensor], image: Tensor, step: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Landmarks, pose, and dynamics as encoded and as used (with noise).

        The dynamics encoder's view is augmented. While the encoders learn alone, it is placed by
        the labels.
        """
        model, augmentation = self.model, self.augmentation
        generator = step_generator(self.seed, step, "driver-augmentation")

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator).to(image)

        landmarks = model.pose.landmarks(image)
        z_pose = model.pose.pose(landmarks)
        placed = z_pose.detach()
        if step < self.encoder_steps:
            placed = torch.where(flat["valid"][:, None], flat["pose"], placed)
        units = torch.tensor(POSE_UNITS).to(image)
        placed = placed + augmentation.pose_noise * units * normal(*z_pose.shape)
        num_glimpses = len(model.dynamics.glimpses)
        flow = smooth_flow(
            generator,
            batch=len(image) * num_glimpses,
            size=model.dynamics.glimpse_size,
            knots=augmentation.flow_knots,
            amplitude=augmentation.flow_amplitude,
        ).unflatten(0, (len(image), num_glimpses))
        coloured = colour_jitter(image, generator, strength=augmentation.colour)
        code = model.dynamics(model.dynamics.view(coloured, placed, flow.to(image))).float()
        return landmarks, z_pose, code, code + augmentation.code_noise * normal(*code.shape)

    @torch.no_grad()
    def sample_images(self) -> dict[str, Tensor]:
        """A sheet of source | driver | result | another's driver | result."""
        batch = self.trainer.datamodule.batch_at(0)  # type: ignore[attr-defined]
        image = batch["image"][:8].to(self.device).float() / 255
        source, driver, other = image[:, 0], image[:, 1], image[:, 1].roll(-1, 0)
        columns = (source, driver, self.model(source, driver), other, self.model(source, other))
        sheet = torch.cat([torch.cat(list(column), dim=1) for column in columns], dim=2)
        return {"reenactment": sheet.cpu()}


def _face_target(flat: dict[str, Tensor], rows: Tensor | slice) -> MotionTarget:
    """Labels of some frames."""
    return MotionTarget(
        pose=flat["pose"][rows],
        mouth=flat["mouth"][rows],
        gaze=flat["gaze"][rows],
        blink=flat["blink"][rows],
        valid=flat["valid"][rows].float(),
    )
