"""478 face landmarks in 3D (MediaPipe face mesh with irises), and their iBUG-68 subset."""

import torch
from torch import Tensor

from vasa.pretrained.expert import FrozenExpert
from vasa.pretrained.squares import Squares, crop_squares

INPUT_SIZE = 256
NUM_LANDMARKS = 478
NUM_MESH = 468

# The mesh vertices next to the 68 points of the iBUG scheme (jaw from the picture's left, brows,
# nose, eyes, outer and inner lips), the correspondence in common use.
# fmt: off
IBUG68 = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,
    78, 82, 13, 312, 308, 317, 14, 87,
)
# fmt: on
RIGHT_EYE_OUTER, RIGHT_EYE_INNER = 33, 133
LEFT_EYE_OUTER, LEFT_EYE_INNER = 263, 362
RIGHT_IRIS, LEFT_IRIS = 468, 473
INNER_LIP_TOP, INNER_LIP_BOTTOM = 13, 14
MOUTH_CORNER_RIGHT, MOUTH_CORNER_LEFT = 61, 291
FOREHEAD, CHIN = 10, 152


def ibug68(landmarks: Tensor) -> Tensor:
    """The 68 iBUG points of `... 478 d` landmarks, `... 68 d`."""
    return landmarks[..., list(IBUG68), :]


def landmark_squares(landmarks: Tensor, *, scale: float) -> Squares:
    """Squares around landmarks: box centre, longer side times `scale`, outer eye corners level.

    Args:
        landmarks: `b 478 d` in pixels.
        scale: side over the longer side of the axis-aligned landmark box.
    """
    low = landmarks[:, :NUM_MESH, :2].amin(dim=1)
    high = landmarks[:, :NUM_MESH, :2].amax(dim=1)
    eyes = landmarks[:, LEFT_EYE_OUTER, :2] - landmarks[:, RIGHT_EYE_OUTER, :2]
    return Squares(
        centre=(low + high) / 2,
        side=(high - low).amax(dim=-1) * scale,
        roll=torch.atan2(eyes[:, 1], eyes[:, 0]),
    )


class FaceLandmarker(FrozenExpert):
    """Landmarks of a face in a rolled square crop; best in BlazeFace's box times 1.5."""

    name = "face_landmarks"

    def __call__(self, images: Tensor, squares: Squares) -> tuple[Tensor, Tensor]:
        """Landmarks of the face in each square.

        Args:
            images: `b 3 h w` RGB in [0, 1].
            squares: a square for every picture.

        Returns:
            Landmarks in pixels of the pictures, depth in the same unit (smaller is nearer),
            `b 478 3`; presence logits `b`, above 0 for a face and above 10 for a sure one.
        """
        crops = crop_squares(images, squares, size=INPUT_SIZE)
        points, presence = self.call(crops)
        moved = Squares(
            centre=squares.centre.to(points),
            side=squares.side.to(points),
            roll=squares.roll.to(points),
        )
        return moved.to_picture(points / INPUT_SIZE), presence


class Blendshapes(FrozenExpert):
    """52 expression coefficients from landmarks; their places are in `BLENDSHAPES`."""

    name = "blendshapes"

    def __call__(self, landmarks: Tensor) -> Tensor:
        """Coefficients in [0, 1], `b 52`, of landmarks `b 478 3` in pixels of the picture."""
        return self.call(landmarks[..., :2])


BLENDSHAPES = {
    "blink_left": 9,
    "blink_right": 10,
    "look_down_left": 11,
    "look_down_right": 12,
    "look_in_left": 13,
    "look_in_right": 14,
    "look_out_left": 15,
    "look_out_right": 16,
    "look_up_left": 17,
    "look_up_right": 18,
    "jaw_open": 25,
}
"""Places of the blendshapes used here in the network's output."""
