"""Emotion of a face: a weak, soft signal from mini-Xception."""

import torch
from torch import Tensor

from vasa.pretrained.expert import FrozenExpert
from vasa.pretrained.landmarks import landmark_squares
from vasa.pretrained.squares import crop_squares

INPUT_SIZE = 64
CROP_SCALE = 1.15
# angry, disgust, fear, happy, sad, surprise, neutral -> neutral, happy, sad, surprise, fear,
# disgust, anger, contempt; the network knows no contempt.
_NETWORK_ORDER = (6, 3, 4, 5, 2, 1, 0)


class EmotionNet(FrozenExpert):
    """Seven emotions on FER2013's terms; wrong on posed stills now and then: a soft signal only."""

    name = "emotion_xception"

    @torch.no_grad()
    def __call__(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """Probabilities of `vasa.data.schema.EMOTIONS`, `b 8`.

        Args:
            images: `b 3 h w` RGB in [0, 1].
            landmarks: `b 478 3` in pixels of the pictures.
        """
        squares = landmark_squares(landmarks, scale=CROP_SCALE)
        found = self.call(crop_squares(images, squares, size=INPUT_SIZE))
        seven = found[:, list(_NETWORK_ORDER)]
        return torch.cat((seven, torch.zeros_like(seven[:, :1])), dim=-1)
