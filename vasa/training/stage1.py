"""Stage 1's training: generator and adversary, a step each on a batch of frame pairs."""

from typing import Any, cast

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from vasa.losses.adversarial import discriminator_hinge_loss
from vasa.losses.code_leak import CodeLeak
from vasa.losses.motion_transfer import NUM_FACE
from vasa.models.face_autoencoder import FaceAutoencoder
from vasa.training.clip_samples import reenacted
from vasa.training.exhibits import SampleClip
from vasa.training.nonfinite_guard import StepLosses
from vasa.training.optimisation import adamw_cosine
from vasa.training.stage1_losses import Stage1Losses, Stage1Result
from vasa.training.stage1_samples import NUM_PEOPLE, stage1_latents, stage1_samples
from vasa.training.stage1_settings import (
    AdversarySettings,
    DriverAugmentation,
    ForegroundSettings,
    Stage1Weights,
)
from vasa.types import InputError

PRICES = ("bottleneck", "pose_leak", "identity_leak")
"""Losses that empty the dynamics code; they come in slowly."""
LEAK_MEMORY = 256
"""Codes that leaks are measured on: some steps old, more of them than the code is wide."""


class Stage1Module(Stage1Losses):
    """Trains the face autoencoder on pairs of frames of one video and on neighbours' motion.

    Args:
        model: the autoencoder.
        expert: run folder of the face expert that the losses look through.
        weights: weights of the losses.
        augmentation: of the dynamics encoder's view.
        perceptual: network of the perceptual distance: `face_expert`, `squeezenet` or `vgg19`.
        perceptual_weights: its file, where it is not found by its name.
        identity: network of the cross-identity term and of face-recognition features:
            `face_expert`, or `faceres`, a pretrained one.
        discriminator: the adversary; None for none.
        adversary: when it plays and how it learns.
        foreground: where losses on pictures act.
        gradient_clip: largest norm of the generator's gradient, and of the discriminator's.
        micro_batches: parts that a batch is taken through the networks in, one after another, to
            save memory; losses on pairs of people pair those of one part.
        log_unused_every: steps between looks at losses of weight 0.
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
        perceptual: str,
        perceptual_weights: str | None,
        identity: str,
        discriminator: nn.Module | None,
        adversary: AdversarySettings,
        foreground: ForegroundSettings,
        gradient_clip: float,
        micro_batches: int,
        log_unused_every: int,
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
        self.discriminator = discriminator
        self.adversary = adversary
        self.foreground = foreground
        self.log_unused_every = log_unused_every
        self.weights = weights
        self.augmentation = augmentation
        self.transfer_share = transfer_share
        self.encoder_steps = encoder_steps
        self.readout = nn.Linear(model.z_dyn_dim, NUM_FACE)
        self.seed = seed
        self.take_frozen(
            expert,
            perceptual=perceptual,
            perceptual_weights=perceptual_weights,
            identity=identity,
        )
        self.code_leak = CodeLeak(
            z_dyn_dim=model.z_dyn_dim, memory=LEAK_MEMORY, sigma=augmentation.code_noise
        )
        self.automatic_optimization = False
        self.step_losses: StepLosses | None = None
        self.gradient_clip = gradient_clip
        self.micro_batches = micro_batches
        self.optimisation = {
            "lr": lr,
            "final_lr": final_lr,
            "weight_decay": weight_decay,
            "betas": (betas[0], betas[1]),
            "warmup_steps": warmup_steps,
            "num_steps": num_steps,
        }

    def configure_optimizers(self) -> list[OptimizerLRSchedulerConfig]:
        """AdamW with warm-up and cosine decay, one for the generator and one for the adversary."""
        own = [*self.model.parameters(), *self.readout.parameters()]
        chosen = [adamw_cosine(own, **self.optimisation)]  # type: ignore[arg-type]
        if self.discriminator is not None:
            first = max(self.adversary.start_step, self.encoder_steps)
            settings = {
                **self.optimisation,
                "lr": self.adversary.lr,
                "num_steps": self.optimisation["num_steps"] - first,
            }
            chosen.append(adamw_cosine(self.discriminator.parameters(), **settings))  # type: ignore[arg-type]
        return chosen

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """One step on pairs (source i, driver j) and on neighbours (s, d), then the adversary's."""
        step = self.trainer.datamodule.batches_consumed  # type: ignore[attr-defined]
        optimizers = _listed(self.optimizers())
        done = []
        optimizers[0].zero_grad()
        if self.discriminator is not None:
            self.discriminator.requires_grad_(False)
        for number, part in enumerate(_parts(batch, self.micro_batches)):
            found = self.losses(part, step, part=number)
            loss = self.weighted_sum(found.terms, step)
            self.manual_backward(loss / self.micro_batches)
            done.append((loss.detach(), found))
        schedules = _listed(self.lr_schedulers())
        values = _means([{**found.terms, **found.looks, "loss": loss} for loss, found in done])
        self._show(values, of="loss")
        optimizers[0].step()
        schedules[0].step()
        if self.plays(step):
            self._adversary_step(optimizers[1], [found for _, found in done])
            schedules[1].step()
        # all at once: logging between the optimisers' hooks makes Lightning forget what came first
        assert self.step_losses is not None
        self.log_dict(dict(self.step_losses.values))

    def weighted_sum(self, terms: dict[str, Tensor], step: int) -> Tensor:
        """The loss that is minimised; a term of weight 0 has no part in it, finite or not."""
        weighted = [
            weight * value
            for name, value in terms.items()
            if (weight := self.weight(name, step)) > 0
        ]
        return cast(Tensor, sum(weighted))

    def _show(self, values: dict[str, Tensor], *, of: str) -> None:
        """Have the guard, which looks before an optimiser's step, see this step's losses."""
        known = {} if self.step_losses is None or of == "loss" else self.step_losses.values
        named = {f"train/{name}": value for name, value in values.items()}
        self.step_losses = StepLosses(minimised=f"train/{of}", values={**known, **named})

    def weight(self, name: str, step: int) -> float:
        """A loss's weight; what empties the code grows over the first half of the encoders' steps.

        Before anything is known of slow factors (the mouth, emotion), a price on information and on
        leaks closes the code to them for good (Bowman et al. 2016 on posterior collapse). It grows
        with the square of the step, so that little is asked while little is known.
        """
        ramp = min(1.0, 2 * step / self.encoder_steps) if self.encoder_steps else 1.0
        return getattr(self.weights, name) * (ramp**2 if name in PRICES else 1.0)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip; Lightning leaves that to modules that step by themselves."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, self.gradient_clip)

    def _adversary_step(self, optimizer: Any, done: list[Stage1Result]) -> None:
        assert self.discriminator is not None
        self.discriminator.requires_grad_(True)
        optimizer.zero_grad()
        losses = []
        for found in done:
            assert found.result is not None and found.target is not None
            loss = discriminator_hinge_loss(
                self.discriminator(found.target).logits,
                self.discriminator(found.result.detach()).logits,
                weights=found.foreground,
            )
            self.manual_backward(loss / len(done))
            losses.append({"discriminator": loss.detach()})
        self._show(_means(losses), of="discriminator")
        optimizer.step()

    def phase(self, step: int) -> tuple[bool, bool]:
        """Steps of one phase compute the same."""
        return step < self.encoder_steps, self.plays(step)

    def sample_images(self) -> dict[str, Tensor]:
        """Grids of what the network does with people of the first batch."""
        batch = self.trainer.datamodule.batch_at(0)  # type: ignore[attr-defined]
        image = batch["image"][:NUM_PEOPLE].to(self.device).float() / 255
        return stage1_samples(self.model, sources=image[:, 0], drivers=image[:, 1])

    def sample_latents(self) -> dict[str, Tensor]:
        """Codes of the first batch's frames."""
        batch = self.trainer.datamodule.batch_at(0)  # type: ignore[attr-defined]
        return stage1_latents(self.model, batch["image"].flatten(0, 1).to(self.device))

    def sample_clips(self) -> dict[str, SampleClip]:
        """The first person of the first batch in the motion of a whole clip."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        if (driver := data.clip_to_show()) is None:
            return {}
        source = data.batch_at(0)["image"][0, 0].to(self.device).float() / 255
        return {"reenacted_clip": reenacted(self.model, source, driver)}


def _listed(items: Any) -> list[Any]:
    return list(items) if isinstance(items, list | tuple) else [items]


def _means(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([part[name].detach() for part in parts]).mean() for name in parts[0]}


def _parts(batch: dict[str, Tensor], num: int) -> list[dict[str, Tensor]]:
    """A batch in `num` equal parts of its people."""
    people = len(batch["image"])
    if people % num:
        raise InputError(
            f"expected a batch that divides into {num} equal parts, got {people} people; change "
            "data.batch_size or module.micro_batches"
        )
    chunks = {name: value.chunk(num) for name, value in batch.items()}
    return [{name: chunks[name][i] for name in batch} for i in range(num)]
