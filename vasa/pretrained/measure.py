"""What the frozen experts say of a face crop: the call of the face expert, from real networks."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vasa.pretrained.expert import FrozenExpert
from vasa.pretrained.face_shape import blink_amount, gaze_angles, level_while_shut, mouth_shape
from vasa.pretrained.head_pose import fit_head
from vasa.pretrained.identity import DlibIdentity, FaceResIdentity
from vasa.pretrained.landmarks import Blendshapes, FaceLandmarker, ibug68, landmark_squares
from vasa.pretrained.squares import Squares
from vasa.types import FaceMeasurements

FACE_PART = 0.8
"""Side of the first landmark square over the crop's: BlazeFace's box times 1.5 in a steady crop."""
FACE_CENTRE = (0.5, 0.58)
SECOND_SCALE = 1.4
"""Side of the second landmark square over the landmark box."""


class FaceMeasure(nn.Module):
    """Identity, pose, mouth, gaze, blink, presence and landmarks of face crops, for metrics.

    Has the call of `vasa.models.face_expert.FaceExpert`. Crops are steady face crops as `vasa prep`
    makes them (head scale about 1), of any size; small ones are enlarged. Landmarks are measured
    twice, the second time in the square that the first ones ask for.

    Holds no parameters and adds nothing to a checkpoint.
    """

    def __init__(self) -> None:
        super().__init__()
        self._landmarker = FaceLandmarker()
        self._blendshapes = Blendshapes()
        self._identity = DlibIdentity()

    @staticmethod
    def available() -> bool:
        """Whether every network's file is found."""
        return all(expert.available() for expert in (FaceLandmarker, Blendshapes, DlibIdentity))

    def describe(self) -> list[dict[str, str]]:
        """The networks used, with their checksums and licences."""
        experts: tuple[FrozenExpert, ...] = (self._landmarker, self._blendshapes, self._identity)
        return [expert.describe() for expert in experts]

    def landmarks(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Landmarks in pixels of the crop `b 478 3`, and presence logits `b`."""
        height, width = image.shape[-2:]
        num = len(image)
        first = Squares(
            centre=torch.tensor([[FACE_CENTRE[0] * width, FACE_CENTRE[1] * height]]).repeat(num, 1),
            side=torch.full((num,), FACE_PART * width),
            roll=torch.zeros(num),
        )
        points, presence = self._landmarker(image, first)
        around = landmark_squares(points.detach().cpu(), scale=SECOND_SCALE)
        side = around.side.clamp(0.25 * width, 1.5 * width)
        second = Squares(centre=around.centre, side=side, roll=around.roll)
        better, logits = self._landmarker(image, second)
        take = logits > presence
        return torch.where(take[:, None, None], better, points), torch.maximum(logits, presence)

    @torch.no_grad()
    def forward(self, image: Tensor) -> FaceMeasurements:
        """Measurements of face crops `b 3 h w` in [0, 1]; no gradient."""
        height, width = image.shape[-2:]
        num = len(image)
        points, presence = self.landmarks(image)
        fit = fit_head(points)
        centre = points.new_tensor([[width / 2, height / 2]]).expand(num, 2)
        blink = blink_amount(self._blendshapes(points))
        return FaceMeasurements(
            identity=F.normalize(self._identity(image, points), dim=-1),
            pose=fit.pose(centre=centre, side=points.new_full((num,), float(width))),
            mouth=mouth_shape(points),
            gaze=level_while_shut(gaze_angles(fit.to_head(points)), blink),
            blink=blink,
            presence=presence,
            landmarks=ibug68(points)[..., :2],
        )


class IdentityEmbedding(nn.Module):
    """Identity of steady face crops for losses: faceres, differentiable, no landmarks needed.

    Not the network that `FaceMeasure` scores identity with.
    """

    def __init__(self) -> None:
        super().__init__()
        self._net = FaceResIdentity()

    def describe(self) -> list[dict[str, str]]:
        """The network used, with its checksum and licence."""
        return [self._net.describe()]

    def forward(self, image: Tensor) -> Tensor:
        """L2-normalised embeddings `b 1024` of crops `b 3 h w` in [0, 1]."""
        return self._net(image)
