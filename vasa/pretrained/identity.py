"""Who a face is: one embedding for losses, another, independent one for metrics."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vasa.pretrained.expert import FrozenExpert
from vasa.pretrained.squares import Squares, crop_squares
from vasa.types import InputError

FACERES_SIZE = 224
STEADY_CENTRE = (0.5, 0.62)
STEADY_SIDE = 0.70
"""Where faces are in a steady face crop (head scale 1): the landmark box times 1.2."""
CHIP_SIZE = 150

# Chip pixels (pixel centres) of landmarks in dlib's aligned face chip, size 150, padding 0.25.
# fmt: off
CHIP_POINTS = {
    168: (73.6, 44.3), 197: (73.4, 57.4), 5: (73.3, 68.2), 4: (73.3, 74.9), 98: (60.7, 83.5),
    97: (67.3, 84.7), 2: (73.6, 85.1), 326: (80.4, 84.8), 327: (87.1, 83.5), 33: (37.8, 46.8),
    160: (42.7, 43.5), 158: (51.0, 43.2), 133: (60.1, 48.6), 153: (51.7, 49.6), 144: (43.8, 49.8),
    362: (88.3, 48.5), 385: (97.2, 42.7), 387: (105.7, 43.0), 263: (111.3, 46.2),
    373: (104.6, 49.5), 380: (96.4, 49.5), 61: (53.8, 102.7), 39: (61.7, 97.3), 37: (67.4, 95.6),
    0: (73.5, 96.7), 267: (80.1, 95.6), 269: (85.7, 97.4), 291: (94.8, 102.9), 78: (55.7, 102.9),
    82: (68.6, 101.5), 13: (73.6, 101.7), 312: (78.9, 101.6), 308: (92.9, 103.1),
}
# fmt: on


IDENTITY_NETWORKS = ("faceres",)
"""Besides them, stage 1 can look through its own face expert (`identity: face_expert`). dlib's is
not among them: what metrics measure by is not trained on."""


def make_identity(name: str) -> "FaceResIdentity":
    """The face recognition that a configuration names; none stands in for another.

    Args:
        name: one of `IDENTITY_NETWORKS`.

    Raises:
        InputError: an unknown name, or weights that are missing.
    """
    if name != "faceres":
        raise InputError(
            f"expected an identity network of {(*IDENTITY_NETWORKS, 'face_expert')}, got {name!r}"
        )
    return FaceResIdentity()


class FaceResIdentity(FrozenExpert):
    """HSE face embedding, for losses: same person about 0.87 cosine, others about 0.37.

    A MobileNet of 27 convolutions (MobileNet v1's), each behind a ReLU6; the embedding is the
    normalised mean of the last map.
    """

    name = "identity_faceres"

    def __call__(self, images: Tensor) -> Tensor:
        """L2-normalised embeddings of steady face crops; differentiable.

        The face's part of the crop is a fixed square, so that no landmarks are needed and the
        gradient is the picture's alone.

        Args:
            images: steady face crops, `b 3 h w` in [0, 1], any size.

        Returns:
            `b 1024`; compare by dot product.
        """
        return F.normalize(self.call(self._faces(images)), dim=-1)

    def features(self, images: Tensor) -> list[Tensor]:
        """Maps of the network, fine to coarse, the last of each size; differentiable.

        Args:
            images: steady face crops, `b 3 h w` in [0, 1], any size.

        Returns:
            `b c h' w'`, five of them: 112, 56, 28, 14 and 7 px of the face's 224.
        """
        faces = self._faces(images)
        with self.steadily(faces) as (net, x):
            x = (255 * x.flip(1) - net.mean).contiguous(memory_format=torch.channels_last)
            maps: list[Tensor] = []
            for convolution in net.convs.children():
                x = F.relu6(convolution(x))
                if maps and maps[-1].shape[-1] == x.shape[-1]:
                    maps.pop()
                maps.append(x)
        return maps

    def _faces(self, images: Tensor) -> Tensor:
        """The face's part of steady crops, `b 3 224 224`."""
        height, width = images.shape[-2:]
        num = len(images)
        squares = Squares(
            centre=torch.tensor([[STEADY_CENTRE[0] * width, STEADY_CENTRE[1] * height]]).repeat(
                num, 1
            ),
            side=torch.full((num,), STEADY_SIDE * width),
            roll=torch.zeros(num),
        )
        return crop_squares(images, squares, size=FACERES_SIZE, padding="border")


def chip_squares(landmarks: Tensor) -> Squares:
    """Squares of dlib's aligned face chips: the least-squares similarity from landmarks to chip.

    Args:
        landmarks: `b 478 d` in pixels of the picture.
    """
    points = landmarks[:, list(CHIP_POINTS), :2]
    chip = torch.tensor(list(CHIP_POINTS.values())).to(points) + 0.5 - CHIP_SIZE / 2
    mean, chip_mean = points.mean(dim=1), chip.mean(dim=0)
    offset, chip_offset = points - mean[:, None], chip - chip_mean
    # picture = mean + [[a, -b], [b, a]] (chip - chip_mean), a and b in closed form
    norm = chip_offset.square().sum()
    a = (offset * chip_offset).sum(dim=(1, 2)) / norm
    b = (offset[..., 1] * chip_offset[:, 0] - offset[..., 0] * chip_offset[:, 1]).sum(dim=1) / norm
    shift = torch.stack(
        (a * chip_mean[0] - b * chip_mean[1], b * chip_mean[0] + a * chip_mean[1]), -1
    )
    return Squares(centre=mean - shift, side=torch.hypot(a, b) * CHIP_SIZE, roll=torch.atan2(b, a))


class DlibIdentity(FrozenExpert):
    """dlib's face embedding, for metrics: distance about 0.28 for one person, 0.80 for two.

    Its length is about 1.4 and the usual threshold is a distance of 0.6.
    """

    name = "identity_dlib"

    def __call__(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """Embeddings `b 128` (not normalised) of the faces with these landmarks.

        Args:
            images: `b 3 h w` in [0, 1].
            landmarks: `b 478 d` in pixels of the pictures.
        """
        chips = crop_squares(images, chip_squares(landmarks.detach()), size=CHIP_SIZE)
        return self.call(chips)
