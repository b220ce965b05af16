"""What stage 1's encoders learn from frames, without a picture drawn (VASA-1 sec. 3.1)."""

from dataclasses import dataclass
from functools import partial

import lightning
import torch
from torch import Tensor, nn

from vasa.data.augment import colour_jitter, thin_plate_flow
from vasa.data.order import step_generator
from vasa.losses.bottleneck import bottleneck_loss
from vasa.losses.code_leak import CodeLeak
from vasa.losses.motion_transfer import MotionTarget, dynamics_loss
from vasa.losses.pose import POSE_UNITS, landmark_loss, pose_loss
from vasa.models.face_autoencoder import FaceAutoencoder
from vasa.training.ranks import rows_of_all, share_of, valid_share
from vasa.training.stage1_settings import DriverAugmentation
from vasa.types import InputError


@dataclass(frozen=True, kw_only=True)
class MotionResult:
    """Motion of a batch's frames.

    Attributes:
        terms: losses of the encoders, unweighted.
        z_pose: `b 6`.
        z_dyn: with the bottleneck's noise, `b m`.
    """

    terms: dict[str, Tensor]
    z_pose: Tensor
    z_dyn: Tensor


class Stage1Motion(lightning.LightningModule):
    """Motion codes of a batch; the networks and settings are those of `Stage1Module`."""

    model: FaceAutoencoder
    readout: nn.Linear
    code_leak: CodeLeak
    augmentation: DriverAugmentation
    encoder_steps: int
    seed: int

    def motion(
        self, flat: dict[str, Tensor], image: Tensor, *, step: int, part: int
    ) -> MotionResult:
        """Motion codes of all frames, and the losses that need no pictures drawn.

        The dynamics encoder's view is augmented. While the encoders learn alone, it is placed by
        the labels.

        Args:
            flat: a batch's labels, `b ...`.
            image: frames in [0, 1], `b 3 h w`.
            step: decides the augmentation.
            part: of the step's batch, which decides it too.

        Raises:
            InputError: a process has fewer than two people.
        """
        model, augmentation = self.model, self.augmentation
        stream = f"driver-augmentation-{part}" if part else "driver-augmentation"
        generator = step_generator(self.seed, step, stream)
        share = share_of(self)
        if share.count > 1 and len(image) < 4:
            raise InputError(
                f"expected two people or more a process, got {len(image) // 2}; raise "
                "data.batch_size or lower module.micro_batches"
            )

        def normal(*shape: int) -> Tensor:
            with share.drawing(groups=2):
                return torch.randn(*shape, generator=generator).to(image)

        landmarks = model.pose.landmarks(image)
        z_pose = model.pose.pose(landmarks)
        placed = z_pose.detach()
        if step < self.encoder_steps:
            placed = torch.where(flat["valid"][:, None], flat["pose"], placed)
        units = torch.tensor(POSE_UNITS).to(image)
        placed = placed + augmentation.pose_noise * units * normal(*z_pose.shape)
        num_glimpses = len(model.dynamics.glimpses)
        with share.drawing(groups=2):
            flow = thin_plate_flow(
                generator,
                batch=len(image) * num_glimpses,
                size=model.dynamics.glimpse_size,
                knots=augmentation.flow_knots,
                amplitude=augmentation.flow_amplitude,
            ).unflatten(0, (len(image), num_glimpses))
            coloured = colour_jitter(image, generator, strength=augmentation.colour)
        code = model.dynamics(model.dynamics.view(coloured, placed, flow.to(image)), placed).float()
        z_dyn = code + augmentation.code_noise * normal(*code.shape)
        valid = flat["valid"].float()
        weigh = valid_share(self, valid)
        leaks = self.code_leak(code, pose=flat["pose"], gather=partial(rows_of_all, self, groups=2))
        terms = {
            "pose": weigh * pose_loss(z_pose, flat["pose"], valid),
            "landmarks": weigh * landmark_loss(landmarks, flat["landmarks"], valid),
            "dynamics": weigh * dynamics_loss(self.readout(z_dyn), face_target(flat, slice(None))),
            "bottleneck": bottleneck_loss(code, sigma=augmentation.code_noise),
            "pose_leak": leaks.pose,
            "identity_leak": leaks.identity,
        }
        return MotionResult(terms=terms, z_pose=z_pose, z_dyn=z_dyn)


def face_target(flat: dict[str, Tensor], rows: Tensor | slice) -> MotionTarget:
    """Labels of some frames."""
    return MotionTarget(
        pose=flat["pose"][rows],
        mouth=flat["mouth"][rows],
        gaze=flat["gaze"][rows],
        blink=flat["blink"][rows],
        emotion=flat["emotion"][rows],
        valid=flat["valid"][rows].float(),
    )
