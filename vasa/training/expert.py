"""Trains the face expert: labelled frames in, measurements out."""

from typing import Any

import torch
from torch import Tensor, nn

from vasa.data.crop_shift import draw_crop_shift, shift_image, shift_points, shift_pose
from vasa.data.expert_datamodule import ExpertDataModule
from vasa.data.non_faces import non_faces
from vasa.data.order import step_generator
from vasa.data.photometric import Photometric
from vasa.data.step_datamodule import Batch
from vasa.losses.expert import (
    cosine_margin_loss,
    identity_auc,
    masked_smooth_l1,
    masked_squared_error,
    presence_loss,
)
from vasa.models.face_expert import NUM_TARGETS, TARGET_SIZES, FaceExpert
from vasa.training.optimisation import AdamWCosineModule
from vasa.training.ranks import rows_of_all, share_of, valid_share

NUM_EMOTIONS = TARGET_SIZES[-1]
LANDMARK_UNIT = 0.05
"""Half pictures; landmark errors are counted in it, so that the loss stays linear above a pixel."""


class FaceExpertModule(AdamWCosineModule):
    """One loss a head; the classification head over speakers stays here and is not exported.

    Args:
        model: the network that is exported.
        seed: of augmentation and of the pictures without a face.
        target_weight: of pose, mouth, gaze and blink.
        emotion_weight: of emotion.
        landmark_weight: of the landmarks, an auxiliary task.
        identity_weight: of the classification over training speakers.
        identity_scale: s of the cosine classifier.
        identity_margin: its m.
        presence_weight: of face or no face.
        photometric: changes of light, colour and sharpness.
        max_log_scale: largest change of the crop's size.
        max_shift: largest shift of the crop, half pictures.
        statistics_batches: batches that the targets' mean and deviation are measured on.
        optimisation: as `AdamWCosineModule`.
    """

    def __init__(
        self,
        *,
        model: FaceExpert,
        seed: int,
        target_weight: float,
        emotion_weight: float,
        landmark_weight: float,
        identity_weight: float,
        identity_scale: float,
        identity_margin: float,
        presence_weight: float,
        photometric: Photometric,
        max_log_scale: float,
        max_shift: float,
        statistics_batches: int,
        **optimisation: Any,
    ) -> None:
        super().__init__(**optimisation)
        self.model = model
        self.seed = seed
        self.target_weight = target_weight
        self.emotion_weight = emotion_weight
        self.landmark_weight = landmark_weight
        self.identity_weight = identity_weight
        self.identity_scale = identity_scale
        self.identity_margin = identity_margin
        self.presence_weight = presence_weight
        self.photometric = photometric
        self.max_log_scale = max_log_scale
        self.max_shift = max_shift
        self.statistics_batches = statistics_batches

    @property
    def frames(self) -> ExpertDataModule:
        """The run's data."""
        return self.trainer.datamodule  # type: ignore[attr-defined,return-value]

    def setup(self, stage: str) -> None:
        """Speakers and label statistics come from the data."""
        num_speakers = self.frames.num_speakers
        generator = step_generator(self.seed, 0, "speaker-prototypes")
        embedding_dim = self.model.identity_head.out_features
        self.prototypes = nn.Parameter(
            torch.randn(num_speakers, embedding_dim, generator=generator) * embedding_dim**-0.5
        )
        targets = []
        for step in range(self.statistics_batches):
            generator = step_generator(self.seed, step, "expert-statistics")
            batch = self.augment(_flat(self.frames.batch_at(step)), generator)
            targets.append(_targets(batch)[batch["valid"]])
        together = torch.cat(targets)
        self.model.set_statistics(mean=together.mean(0), std=together.std(0).clamp(min=0.01))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """All losses of one batch."""
        step = self.frames.batches_consumed
        if step + 1 == self.num_steps:
            self.log_dict(self.validate())
        with share_of(self).drawing():
            batch = self.augment(_flat(batch), step_generator(self.seed, step, "expert-augment"))
        num_faces = len(batch["image"])
        others = self._non_faces(
            batch["image"], step_generator(self.seed, step, "expert-non-faces")
        )
        output = self.model.heads(torch.cat((batch["image"], others)))
        wanted = (_targets(batch) - self.model.target_mean) / self.model.target_std
        found, valid = output.targets[:num_faces], batch["valid"]
        of_valid = valid_share(self, valid)
        losses = {
            "targets": of_valid
            * masked_smooth_l1(found[:, :-NUM_EMOTIONS], wanted[:, :-NUM_EMOTIONS], valid=valid),
            "emotion": of_valid
            * masked_squared_error(
                found[:, -NUM_EMOTIONS:], wanted[:, -NUM_EMOTIONS:], valid=valid
            ),
            "landmarks": of_valid
            * masked_smooth_l1(
                output.landmarks[:num_faces] / LANDMARK_UNIT,
                batch["landmarks"] / LANDMARK_UNIT,
                valid=valid,
            ),
            "identity": cosine_margin_loss(
                output.identity[:num_faces],
                self.prototypes,
                batch["speaker"],
                scale=self.identity_scale,
                margin=self.identity_margin,
            ),
            "presence": presence_loss(output.presence[:num_faces], output.presence[num_faces:]),
        }
        loss = (
            self.target_weight * losses["targets"]
            + self.emotion_weight * losses["emotion"]
            + self.landmark_weight * losses["landmarks"]
            + self.identity_weight * losses["identity"]
            + self.presence_weight * losses["presence"]
        )
        self.log("train/loss", loss)
        self.log_dict({f"train/{name}": value for name, value in losses.items()})
        return loss

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Light, colour and sharpness change without the labels, the crop together with them."""
        crop = draw_crop_shift(
            len(batch["image"]),
            max_log_scale=self.max_log_scale,
            max_shift=self.max_shift,
            generator=generator,
        )
        image = self._changed(shift_image(batch["image"], crop), generator)
        return {
            **batch,
            "image": image,
            "pose": shift_pose(batch["pose"], crop),
            "landmarks": shift_points(batch["landmarks"], crop),
        }

    def _non_faces(self, image: Tensor, generator: torch.Generator) -> Tensor:
        """Made of the first quarter of the global batch; this process's part of them, `b 3 h w`."""
        whole = rows_of_all(self, image)
        others = non_faces(whole[: len(whole) // 4], generator=generator)
        others = self._changed(others, generator)
        share = share_of(self)
        # As many in every process; where they do not go evenly, a few are used twice.
        size = -(-len(others) // share.count)
        return others[torch.arange(share.index * size, (share.index + 1) * size) % len(others)]

    def _changed(self, image: Tensor, generator: torch.Generator) -> Tensor:
        return self.photometric(image[:, None], generator)[:, 0]

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Measurements of held-out people against their labels.

        Returns:
            val/<name>: r of mouth opening and width, gaze, blink (pooled over frames) and emotion
            (mean of those that the labels show); mean absolute error of pose angles in degrees; AUC
            of same/other person; share of faces and of pictures without a face told rightly. Empty
            where no split is held out.
        """
        self.model.eval()
        found, truth, identity, speaker, rightly = [], [], [], [], []
        for index, batch in enumerate(self.frames.held_out()):
            batch = {key: value.to(self.device) for key, value in _flat(batch).items()}
            valid = batch["valid"]
            measured = self.model(batch["image"])
            assert measured.emotion is not None
            blink = measured.blink[:, None]
            face = (measured.mouth, measured.gaze, blink, measured.emotion)
            found.append(torch.cat((measured.pose, *face), dim=1)[valid])
            truth.append(_targets(batch)[valid])
            identity.append(measured.identity)
            speaker.append(batch["speaker"])
            generator = step_generator(self.seed, index, "held-out-non-faces")
            others = self.model(non_faces(batch["image"], generator=generator))
            rightly.append(torch.cat((measured.presence > 0, others.presence <= 0)))
        self.model.train()
        if not found:
            return {}
        x, y = torch.cat(found), torch.cat(truth)
        angle_error = (x[:, :3] - y[:, :3]).abs().mean().rad2deg()
        names = ("mouth_opening", "mouth_width", "gaze_theta", "gaze_phi", "blink")
        values = {
            f"val/{name}_r": _correlation(x[:, 6 + index], y[:, 6 + index])
            for index, name in enumerate(names)
        }
        shown = [
            index
            for index in range(NUM_TARGETS - NUM_EMOTIONS, NUM_TARGETS)
            if y[:, index].std() > 0
        ]
        if shown:
            emotions = [_correlation(x[:, index], y[:, index]) for index in shown]
            values["val/emotion_r"] = torch.stack(emotions).mean()
        values["val/pose_error_deg"] = angle_error
        values["val/identity_auc"] = identity_auc(torch.cat(identity), torch.cat(speaker))
        values["val/presence_accuracy"] = torch.cat(rightly).float().mean()
        return {name: float(value) for name, value in values.items()}


def _flat(batch: Batch) -> Batch:
    """People and frames in one axis; pictures as float in [0, 1]."""
    num_frames = batch["image"].shape[1]
    flat = {
        name: value.repeat_interleave(num_frames) if name == "speaker" else value.flatten(0, 1)
        for name, value in batch.items()
    }
    return {**flat, "image": flat["image"].float() / 255}


def _targets(batch: Batch) -> Tensor:
    """Pose, mouth, gaze, blink, emotion, `b 19`."""
    parts = (batch["pose"], batch["mouth"], batch["gaze"], batch["blink"][:, None])
    return torch.cat((*parts, batch["emotion"]), dim=1)


def _correlation(first: Tensor, second: Tensor) -> Tensor:
    return torch.corrcoef(torch.stack((first, second)).double())[0, 1].nan_to_num()
