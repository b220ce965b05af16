"""Reading emotion off frames, so that what was asked can be compared with what is seen.

What each reader is worth on held-out people stands beside every number (`control/expert_...`).
Shapes: t frames.
"""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from vasa.pretrained.emotion import EmotionNet
from vasa.types import FaceMeasurements, InputError


class EmotionReader(Protocol):
    """Pictures `t 3 h w` in [0, 1] and what the instrument measured in them to weights `t 8`."""

    note: str

    def __call__(self, images: Tensor, seen: FaceMeasurements) -> Tensor: ...


class MeasuredEmotion:
    """The measuring expert itself, which learned it from training people's labels."""

    note = "read by the measuring expert"

    def __call__(self, images: Tensor, seen: FaceMeasurements) -> Tensor:
        """As the protocol says.

        Raises:
            InputError: the expert reads no emotion.
        """
        if seen.emotion is None:
            raise InputError(
                "expected an instrument that reads emotion; leave emotion out with "
                "evaluation.controls.emotions=[]"
            )
        return seen.emotion.double()


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
