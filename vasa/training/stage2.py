"""Stage 2: the motion model H is trained to denoise motion (VASA-1 sec. 3.2)."""

from dataclasses import asdict, dataclass

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from vasa.data.order import step_generator
from vasa.losses.diffusion import difference_mask, x0_loss
from vasa.models.checkpoint import model_hash
from vasa.models.conditions import Conditions, DropRates, drop_conditions
from vasa.models.motion_statistics import MotionStatistics
from vasa.models.motion_transformer import MotionTransformer
from vasa.training.clip_samples import spoken
from vasa.training.curves import draw_curves
from vasa.training.exhibits import SampleClip
from vasa.training.optimisation import adamw_cosine
from vasa.training.ranks import share_of, valid_share
from vasa.training.stage2_samples import generated, predicted_from_noise, stage1_of

NUM_POSE = 6
VALIDATION_TIMES = (0.25, 0.5, 0.75, 1.0)
PARTS = {"pose": slice(NUM_POSE), "dyn": slice(NUM_POSE, None)}
ORDERS = {"": 0, "_velocity": 1, "_acceleration": 2}


@dataclass(frozen=True, kw_only=True)
class Stage2Weights:
    """Weights of the squared errors of head (`pose`) and face (`dyn`); all of them are logged.

    Unspecified in the paper: all but the first two; 1, 1 and zeros are eq. 1.

    Attributes:
        pose, dyn: of the motion.
        pose_velocity, dyn_velocity: of its differences from frame to frame.
        pose_acceleration, dyn_acceleration: of their differences.
    """

    pose: float
    dyn: float
    pose_velocity: float
    dyn_velocity: float
    pose_acceleration: float
    dyn_acceleration: float


class Stage2Module(lightning.LightningModule):
    """Batch -> noise -> H -> loss.

    Args:
        model: H.
        drop_rates: of the conditions.
        stage1: run folder of the stage-1 net whose codes are learned; None: whichever made the
            motion shards.
        weights: of the loss's terms.
        timestep_bias: timesteps are drawn with density in proportion to t^bias.
        seed: of noise, timesteps and drops.
        lr: peak learning rate.
        weight_decay: AdamW's.
        warmup_steps: until the peak.
        num_steps: training steps in all.
        validate_every: steps between validation losses; 0: none.
    """

    def __init__(
        self,
        *,
        model: MotionTransformer,
        drop_rates: DropRates,
        stage1: str | None,
        weights: Stage2Weights,
        timestep_bias: float,
        seed: int,
        lr: float,
        weight_decay: float,
        warmup_steps: int,
        num_steps: int,
        validate_every: int,
    ) -> None:
        super().__init__()
        self.model = model
        self.drop_rates = drop_rates
        self.weights = weights
        self.stage1 = stage1
        self.timestep_bias = timestep_bias
        self.seed = seed
        self.lr = lr
        self.weight_decay = weight_decay
        self.warmup_steps = warmup_steps
        self.num_steps = num_steps
        self.validate_every = validate_every
        self._validation: dict[str, Tensor] | None = None

    def setup(self, stage: str) -> None:
        """Check that the motion shards fit, and give the model their statistics."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        data.expect(
            stage1_hash=None if self.stage1 is None else model_hash(self.stage1),
            audio_encoder=self.model.audio.describe(),
            num_motion=self.model.num_motion,
        )
        arrays = {name: torch.from_numpy(array) for name, array in data.statistics().items()}
        self.model.set_statistics(MotionStatistics(**arrays, stage1_hash=data.info.stage1_hash))
        self._validation = data.validation_batch()

    def training_step(self, batch: dict[str, Tensor]) -> Tensor:
        """One step of VASA-1 eq. 1."""
        step = self.trainer.datamodule.batches_consumed  # type: ignore[attr-defined]
        share = share_of(self)
        generator = step_generator(self.seed, step, "stage2-0")
        with share.drawing(axis=-1):
            conditions = drop_conditions(conditions_of(batch), self.drop_rates, generator=generator)
        x0 = self.model.normalise(batch["motion"])
        with share.drawing():
            t = draw_timesteps(
                len(x0),
                num_timesteps=self.model.schedule.num_timesteps,
                bias=self.timestep_bias,
                generator=generator,
            )
            noise = torch.randn(x0.shape, generator=generator)
        terms = self._terms(batch, conditions, x0, t.to(x0.device), noise.to(x0.device))
        for kind, order in ORDERS.items():
            of_valid = valid_share(self, difference_mask(_counted(batch), order))
            for part in PARTS:
                terms[part + kind] = of_valid * terms[part + kind]
        loss = self._weighted(terms)
        self.log("train/loss", loss.detach())
        self.log_dict({f"train/{name}": term.detach() for name, term in terms.items()})
        if self.validate_every and step % self.validate_every == 0:
            self._validate()
        return loss

    def _terms(
        self, batch: dict[str, Tensor], conditions: Conditions, x0: Tensor, t: Tensor, noise: Tensor
    ) -> dict[str, Tensor]:
        """Every term of the loss, unweighted, by its name in `Stage2Weights`."""
        prediction = self.model(self.model.schedule.q_sample(x0, noise, t), t, conditions).float()
        counted = _counted(batch)
        return {
            part + kind: x0_loss(prediction[..., dims], x0[..., dims], counted, order=order)
            for kind, order in ORDERS.items()
            for part, dims in PARTS.items()
        }

    def _weighted(self, terms: dict[str, Tensor]) -> Tensor:
        """Sum over the terms; a part counts by its number of dimensions, as in a mean over all."""
        num_motion = self.model.num_motion
        total = terms["pose"].new_zeros(())
        for name, weight in asdict(self.weights).items():
            dims = NUM_POSE if name.startswith("pose") else num_motion - NUM_POSE
            total = total + weight * dims / num_motion * terms[name]
        return total

    @torch.no_grad()
    def _validate(self) -> None:
        """Losses on fixed held-out windows at fixed timesteps and noise, nothing dropped."""
        if self._validation is None:
            return
        batch, x0 = self._held_out()
        noise = torch.randn(x0.shape, generator=step_generator(self.seed, 0, "stage2-val"))
        was_training = self.model.training
        self.model.eval()
        for share in VALIDATION_TIMES:
            t = torch.full((len(x0),), round(share * self.model.schedule.num_timesteps)).to(
                x0.device
            )
            terms = self._terms(batch, conditions_of(batch), x0, t, noise.to(x0.device))
            self.log(f"val/x0_loss_t{round(100 * share)}", self._weighted(terms))
        self.model.train(was_training)

    def sample_images(self) -> dict[str, Tensor]:
        """x0 predicted from pure noise and audio alone, beside the truth, on a held-out window."""
        if self._validation is None:
            return {}
        batch, x0 = self._held_out(1)
        prediction = predicted_from_noise(self.model, x0, conditions_of(batch), seed=self.seed)
        valid = batch["frame_mask"][0]
        return {"motion": draw_curves(x0[0, valid], prediction[0, valid])}

    def sample_latents(self) -> dict[str, Tensor]:
        """x0 predicted likewise on all held-out windows, standardised, and the truth."""
        if self._validation is None:
            return {}
        batch, x0 = self._held_out()
        prediction = predicted_from_noise(self.model, x0, conditions_of(batch), seed=self.seed)
        kinds = {"predicted_x0": prediction, "true_x0": x0}
        return {
            f"{kind}_{part}": values[batch["frame_mask"]][..., dims]
            for kind, values in kinds.items()
            for part, dims in PARTS.items()
        }

    def sample_clips(self) -> dict[str, SampleClip]:
        """The first held-out window, true and generated, on its own face with its sound."""
        if self._validation is None or self.stage1 is None:
            return {}
        face = self.trainer.datamodule.face_to_show()  # type: ignore[attr-defined]
        batch, x0 = self._held_out(1)
        made = generated(self.model, x0, conditions_of(batch), seed=self.seed)
        valid = batch["frame_mask"][0]
        net = stage1_of(self.stage1, self.device)
        made = self.model.denormalise(made)[0, valid]
        return {"spoken_clip": spoken(net, face, true=batch["motion"][0, valid], made=made)}

    def _held_out(self, count: int | None = None) -> tuple[dict[str, Tensor], Tensor]:
        """The first held-out windows and their standardised motion."""
        assert self._validation is not None
        batch = {name: value[:count].to(self.device) for name, value in self._validation.items()}
        return batch, self.model.normalise(batch["motion"])

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW; linear warm-up, then a cosine to 0."""
        return adamw_cosine(
            self.model.parameters(),
            lr=self.lr,
            weight_decay=self.weight_decay,
            warmup_steps=self.warmup_steps,
            num_steps=self.num_steps,
        )


def _counted(batch: dict[str, Tensor]) -> Tensor:
    """Frames that the loss is a mean over, `b t`."""
    return batch["frame_mask"] & batch["loss_mask"]


def draw_timesteps(
    count: int, *, num_timesteps: int, bias: float, generator: torch.Generator
) -> Tensor:
    """Timesteps 1 .. T with density in proportion to t^bias, `count`.

    Unspecified in the paper: their distribution. Uniform is bias 0. Where noise is strong only
    the conditions tell, so a bias towards it has the model learn to hear the audio sooner.
    """
    shares = torch.rand(count, generator=generator) ** (1 / (1 + bias))
    return (shares * num_timesteps).ceil().long().clamp(1, num_timesteps)


def conditions_of(batch: dict[str, Tensor]) -> Conditions:
    """All conditions of a batch of `MotionDataModule`, with nothing dropped."""
    names = ("audio", "motion_pre", "audio_pre", "pre_mask", "gaze", "distance", "emotion")
    return Conditions(**{name: batch[name] for name in (*names, "frame_mask")})
