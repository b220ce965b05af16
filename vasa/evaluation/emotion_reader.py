"""Reading emotion off frames, so that what was asked can be compared with what is seen.

Real faces: the frozen expert that also labels them. Synthetic faces: no published network knows
them, and the face expert has no such head; a ridge learns it from the training people of the set,
from what that expert sees: upright cut-outs of eyes with brows and of the mouth, landmarks in the
head's frame, and its numbers. It is weak, for a training set holds one emotion a clip: what it is
worth on held-out people stands beside every number. Shapes: t frames.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.measuring import Instrument, measure
from vasa.evaluation.metrics.probe import RidgeProbe, fit_probe
from vasa.models.face_expert import EYES, MOUTH, cut_out
from vasa.pretrained.emotion import EmotionNet
from vasa.types import FaceMeasurements, InputError

PICTURE_PX = 64
"""Side that pictures are brought to: emotion sits in shapes, not in pores."""
EYES_PX, EYES_REACH = (12, 24), 1.0
MOUTH_PX, MOUTH_REACH = (12, 16), 0.7


class EmotionReader(Protocol):
    """Pictures `t 3 h w` in [0, 1] and what the instrument measured in them to weights `t 8`."""

    note: str

    def __call__(self, images: Tensor, seen: FaceMeasurements) -> Tensor: ...


class ExpertEmotion:
    """The frozen expert of real faces.

    Args:
        instrument: `vasa.pretrained.measure.FaceMeasure`, whose landmarks it looks around.
        device: where the landmarks are found.
    """

    note = "read by emotion_xception, which also labels the training clips"

    def __init__(self, instrument: Any, *, device: torch.device) -> None:
        self._landmarks: Callable[[Tensor], tuple[Tensor, Tensor]] = instrument.landmarks
        self._net = EmotionNet()
        self._device = device

    def __call__(self, images: Tensor, seen: FaceMeasurements) -> Tensor:
        points, _ = self._landmarks(images.to(self._device))
        return self._net(images, points.cpu()).double()


class ProbedEmotion:
    """A ridge on `emotion_features`."""

    note = "read by a ridge that learned emotion from training people's frames"

    def __init__(self, probe: RidgeProbe) -> None:
        self.probe = probe

    def __call__(self, images: Tensor, seen: FaceMeasurements) -> Tensor:
        return self.probe(emotion_features(images, seen))


def emotion_features(images: Tensor, seen: FaceMeasurements) -> Tensor:
    """What a ridge reads emotion from, `t k`; of the person's colours nothing is left.

    Raises:
        InputError: the instrument finds no landmarks.
    """
    if seen.landmarks is None:
        raise InputError(
            "expected an instrument that finds landmarks, around which emotion is read; leave "
            "emotion out with evaluation.controls.emotions=[]"
        )
    half = seen.landmarks.new_tensor([images.shape[-1] / 2, images.shape[-2] / 2])
    points = seen.landmarks / half - 1
    grey = functional.interpolate(
        images.mean(dim=1, keepdim=True),
        size=(PICTURE_PX, PICTURE_PX),
        mode="bilinear",
        antialias=True,
    )
    left, right = (points[:, eye].mean(dim=1) for eye in EYES)
    middle, across = (left + right) / 2, right - left
    patches = (
        cut_out(grey, centre=middle, across=across, size=EYES_PX, reach=EYES_REACH),
        cut_out(
            grey,
            centre=points[:, MOUTH].mean(dim=1),
            across=across,
            size=MOUTH_PX,
            reach=MOUTH_REACH,
        ),
    )
    size = across.norm(dim=1)[:, None, None].clamp(min=1e-3)
    right_of = rearrange(across, "t x -> t 1 x") / size
    down_of = torch.stack((-right_of[..., 1], right_of[..., 0]), dim=-1)
    away = (points - middle[:, None]) / size
    upright = torch.cat(((away * right_of).sum(-1), (away * down_of).sum(-1)), dim=1)
    numbers = torch.cat((seen.pose, seen.mouth, seen.gaze, seen.blink[:, None]), dim=1)
    return torch.cat([*(_even(patch) for patch in patches), upright, numbers], dim=1).double()


def _even(patch: Tensor) -> Tensor:
    """Without its own brightness and contrast, `t 1 h w` to `t k`."""
    flat = patch.flatten(1)
    flat = flat - flat.mean(dim=1, keepdim=True)
    return flat / flat.std(dim=1, keepdim=True).clamp(min=1e-4)


def fit_emotion(
    *,
    instrument: Instrument,
    train_clips: Sequence[EvaluationClip],
    val_clips: Sequence[EvaluationClip],
    frame_stride: int,
    batch_size: int,
    track: Callable[[Iterable], Iterable],
) -> ProbedEmotion:
    """Learns to read emotion.

    Args:
        instrument: the measuring expert.
        train_clips: of people that are not scored, with emotion labels.
        val_clips: the ridge's penalty is chosen on.
        frame_stride: frames between those that are learned from.
        batch_size: frames at once.
        track: wraps the loops over clips.
    """

    def table(clips: Sequence[EvaluationClip]) -> tuple[Tensor, Tensor]:
        features, targets = [], []
        for clip in track(clips):
            indices = clip.valid.nonzero().flatten()[::frame_stride]
            images = clip.images(indices)
            seen = measure(instrument, images, batch_size=batch_size)
            assert clip.emotion is not None, "a clip of a shard has emotion labels"
            features.append(emotion_features(images, seen))
            targets.append(clip.emotion[indices])
        return torch.cat(features), torch.cat(targets)

    features, targets = table(train_clips)
    held_features, held_targets = table(val_clips)
    return ProbedEmotion(
        fit_probe(
            features, targets, validation_features=held_features, validation_targets=held_targets
        )
    )
