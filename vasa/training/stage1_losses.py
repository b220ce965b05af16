"""The losses of stage 1 on a batch of frame pairs (VASA-1 sec. 3.1); formulas: vasa.losses."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import cast

import torch
from torch import Tensor, nn

from vasa.losses.adversarial import generator_hinge_loss
from vasa.losses.cross_identity import cross_identity_loss
from vasa.losses.dynamics_cycle import CycleCodes, dynamics_cycle_loss
from vasa.losses.feature_matching import feature_matching_loss
from vasa.losses.foreground import head_weights
from vasa.losses.gaze_features import gaze_feature_loss
from vasa.losses.motion_transfer import motion_transfer_loss
from vasa.losses.perceptual import Features, perceptual_loss
from vasa.losses.reconstruction import reconstruction_loss, squared_error_loss
from vasa.losses.regions import EYES, MOUTH, region_error, region_weights
from vasa.losses.transfer_consistency import transfer_consistency_loss
from vasa.losses.warp_field import warp_magnitude_loss, warp_smoothness_loss
from vasa.training.ranks import mean_of_all, rows_of_all, share_of, valid_share
from vasa.training.stage1_frozen import Stage1Frozen
from vasa.training.stage1_motion import face_target
from vasa.training.stage1_pairs import Pairs, num_transfers, pairs_in_process, pairs_of_all
from vasa.training.stage1_settings import (
    AdversarySettings,
    ForegroundSettings,
    Stage1Weights,
)
from vasa.types import FaceLatents

CYCLE_SCALE, CYCLE_MARGIN = 5.0, 0.2  # MegaPortraits sec. 3.1
EYE_CROP_PX = 32
EYE_REACH = 0.35
"""Half side of an eye's crop, over the distance of the outer eye corners."""


@dataclass(frozen=True, kw_only=True)
class Stage1Result:
    """What a batch gave.

    Attributes:
        terms: every loss, unweighted.
        looks: what is measured now and then and has no weight: L1 in the mouth and in the eyes.
        result: drawn drivers `b 3 h w`; None while the encoders learn alone.
        target: the drivers themselves.
        foreground: weights of their pixels, `b 1 h w`; None for none.
    """

    terms: dict[str, Tensor]
    looks: dict[str, Tensor] = field(default_factory=dict)
    result: Tensor | None = None
    target: Tensor | None = None
    foreground: Tensor | None = None


class Stage1Losses(Stage1Frozen):
    """The losses of a batch; the networks and settings are those of `Stage1Module`."""

    discriminator: nn.Module | None
    weights: Stage1Weights
    adversary: AdversarySettings
    foreground: ForegroundSettings
    log_unused_every: int
    transfer_share: float

    def plays(self, step: int) -> bool:
        """Whether the adversary takes part at this step."""
        first = max(self.adversary.start_step, self.encoder_steps)
        return self.discriminator is not None and step >= first

    def _looked_at(self, step: int, **terms: Callable[[], Tensor]) -> dict[str, Tensor]:
        """Terms of weight 0 are only looked at, now and then, without gradients."""
        found = {}
        for name, term in terms.items():
            if getattr(self.weights, name) > 0:
                found[name] = term()
            elif step % self.log_unused_every == 0:
                with torch.no_grad():
                    found[name] = term()
        return found

    def losses(self, batch: dict[str, Tensor], step: int, *, part: int = 0) -> Stage1Result:
        """Every loss of a batch, unweighted, and the pictures drawn for it.

        Args:
            batch: of `FaceDataModule`: frame 0 is the source i, frame 1 the driver j.
            step: decides the augmentation.
            part: of the step's batch, which decides it too.
        """
        people = len(batch["image"])
        flat = {
            name: value.transpose(0, 1).flatten(0, 1)
            for name, value in batch.items()
            if name != "speaker"
        }  # all sources, then all drivers
        image = flat["image"].float() / 255
        motion = self.motion(flat, image, step=step, part=part)
        if step < self.encoder_steps:
            return Stage1Result(terms=motion.terms)
        z_pose, z_dyn = motion.z_pose, motion.z_dyn

        # The driver's appearance is needed where the transfer terms are taken, on some people.
        share = share_of(self)
        some = num_transfers(people, transfer_share=self.transfer_share, share=share)
        rows = people + some if share.count == 1 else people
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
        if share.count == 1:
            pairs = pairs_in_process(flat, image, latents, some=some)
        else:
            pairs = pairs_of_all(self, self.model, flat, z_pose=z_pose, z_dyn=z_dyn, some=some)
        across = partial(mean_of_all, self)
        target = image[people:]
        driver_landmarks = flat["landmarks"][people:]
        foreground = self._foreground(driver_landmarks, image.shape[-1], flat["valid"][people:])
        pixel_weights = region_weights(
            driver_landmarks, image.shape[-1], mouth=self.weights.mouth, eyes=self.weights.eyes
        )
        if foreground is not None:
            pixel_weights = pixel_weights * foreground
            pixel_weights = pixel_weights / pixel_weights.mean(dim=(1, 2, 3), keepdim=True)
        terms = {
            "reconstruction": reconstruction_loss(result, target, pixel_weights),
            "squared": squared_error_loss(result, target, pixel_weights),
            "perceptual": perceptual_loss(
                result, target, self.features, weights=foreground, across=across
            ),
            **motion.terms,
            **self._transfer_terms(pairs, flat, result, step),
            **self._optional_terms(
                result, target, driver_landmarks, foreground, latents=latents, step=step
            ),
        }
        if self.plays(step):
            terms |= self._adversarial_terms(result, target, foreground)
        return Stage1Result(
            terms=terms,
            looks=self._looks(result, target, driver_landmarks, step),
            result=result,
            target=target,
            foreground=foreground,
        )

    def _optional_terms(
        self,
        result: Tensor,
        target: Tensor,
        landmarks: Tensor,
        foreground: Tensor | None,
        *,
        latents: FaceLatents,
        step: int,
    ) -> dict[str, Tensor]:
        """What larger sizes have and tiny lacks."""
        across = partial(mean_of_all, self)
        warps = cache(lambda: self._warp_fields(latents, people=len(result)))
        return self._looked_at(
            step,
            face_features=lambda: perceptual_loss(
                result, target, self.face_features, weights=foreground, across=across
            ),
            gaze_features=lambda: gaze_feature_loss(
                result,
                target,
                landmarks,
                cast(Features, self.expert.features),
                crop_px=EYE_CROP_PX,
                reach=EYE_REACH,
                across=across,
            ),
            warp_size=lambda: torch.stack([warp_magnitude_loss(one) for one in warps()]).sum(),
            warp_roughness=lambda: torch.stack(
                [warp_smoothness_loss(one) for one in warps()]
            ).sum(),
        )

    @torch.no_grad()
    def _looks(
        self, result: Tensor, target: Tensor, landmarks: Tensor, step: int
    ) -> dict[str, Tensor]:
        """The regions' own L1: their pixel weights show in the mean over all pixels alone."""
        if step % self.log_unused_every:
            return {}
        regions = {"mouth": MOUTH, "eyes": EYES}
        return {name: region_error(result, target, landmarks, of) for name, of in regions.items()}

    def _foreground(self, landmarks: Tensor, size: int, valid: Tensor) -> Tensor | None:
        settings = self.foreground
        if settings.floor >= 1:
            return None
        return head_weights(
            landmarks,
            size,
            crown=settings.crown,
            dilation=settings.dilation,
            softness=settings.softness,
            floor=settings.floor,
            valid=valid,
        )

    def _warp_fields(self, latents: FaceLatents, *, people: int) -> list[Tensor]:
        """What the warp generators make of sources and drivers, `b c d h w` each.

        Offsets of both, and the driver's residual.
        """
        weights = self.weights
        with torch.set_grad_enabled(weights.warp_size > 0 or weights.warp_roughness > 0):
            z_id, z_dyn = latents.z_id[:people], latents.z_dyn
            to_canonical, _ = self.model.warp_source(z_dyn[:people], z_id)
            from_canonical, residual = self.model.warp_driver(z_dyn[people:], z_id)
        return [to_canonical, from_canonical, residual]

    def _adversarial_terms(
        self, result: Tensor, target: Tensor, foreground: Tensor | None
    ) -> dict[str, Tensor]:
        assert self.discriminator is not None
        fake = self.discriminator(result)
        with torch.no_grad():
            real = self.discriminator(target)
        return {
            "adversarial": generator_hinge_loss(fake.logits, weights=foreground),
            "matching": feature_matching_loss(fake.features, real.features, weights=foreground),
        }

    def _transfer_terms(
        self,
        pairs: Pairs,
        flat: dict[str, Tensor],
        result: Tensor,
        step: int,
    ) -> dict[str, Tensor]:
        """Terms on transfers, for some people; measured motion also on `result`.

        The result's own motion is measured too: it is what a small mouth adds to a mean over
        pixels too faintly.
        """
        i, j, other, latents = pairs.source, pairs.driver, pairs.other, pairs.latents
        some = len(i)
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
        source_embedding = self.identity_of_sources(pairs.image[i])
        moving_as = face_target(
            {
                name: torch.cat((rows[torch.cat((j, other))], flat[name][len(result) :]))
                for name, rows in pairs.labels.items()
            },
            slice(None),
        )
        posed_as = torch.cat(
            (pairs.labels["pose"][torch.cat((i, other))], flat["pose"][len(result) :])
        )
        target = replace(moving_as, pose=posed_as)
        weigh = valid_share(self, target.valid)
        return {
            "consistency": transfer_consistency_loss(
                posed,
                animated,
                self.features,
                perceptual_weight=1.0,
                weights=self._foreground(
                    pairs.labels["landmarks"][i], pairs.image.shape[-1], pairs.labels["valid"][i]
                ),
                across=partial(mean_of_all, self),
            ),
            "cross_identity": cross_identity_loss(
                self.identity_of(crossed, measured.identity[some : 2 * some]), source_embedding
            ),
            "transfer": weigh * motion_transfer_loss(measured, target),
            **self._looked_at(
                step,
                cycle=lambda: self._cycle(
                    rows_of_all(self, result)[pairs.neighbour], crossed, latents, other, j
                ),
            ),
        }

    def _cycle(
        self, result: Tensor, crossed: Tensor, latents: FaceLatents, driver: Tensor, other: Tensor
    ) -> Tensor:
        """The cycle loss on x_(s>d), x_(s*>d) of the drivers d and on other drivers d*."""
        pose = latents.z_pose[driver]

        def code(picture: Tensor) -> Tensor:
            return self.model.dynamics(self.model.dynamics.view(picture, pose), pose).float()

        codes = CycleCodes(
            result=code(result),
            cross_result=code(crossed),
            driver=latents.z_dyn[driver],
            other_driver=latents.z_dyn[other],
        )
        return dynamics_cycle_loss(codes, scale=CYCLE_SCALE, margin=CYCLE_MARGIN)
