"""Faces in a picture: BlazeFace, short range, with MediaPipe's weighted suppression."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vasa.pretrained.expert import FrozenExpert
from vasa.pretrained.squares import Squares, crop_squares

INPUT_SIZE = 128
LANDMARK_CROP_SCALE = 1.5


@dataclass(frozen=True, kw_only=True)
class Detections:
    """Faces of one picture, the best first, in pixels of the picture (edge coordinates).

    Attributes:
        boxes: x1, y1, x2, y2, `n 4`.
        keypoints: the subject's right eye, left eye, nose tip, mouth, right ear, left ear, `n 6 2`.
        scores: in [0, 1], `n`; under 0.8 is a doubtful face.
    """

    boxes: Tensor
    keypoints: Tensor
    scores: Tensor

    def __len__(self) -> int:
        return len(self.scores)

    def sides(self) -> Tensor:
        """Longer side of every box, px, `n`."""
        return (self.boxes[:, 2:] - self.boxes[:, :2]).amax(dim=-1)

    def squares(self, *, scale: float = LANDMARK_CROP_SCALE) -> Squares:
        """The landmark network's squares: box centre, longer side times `scale`, eyes level."""
        eyes = self.keypoints[:, 1] - self.keypoints[:, 0]
        return Squares(
            centre=(self.boxes[:, :2] + self.boxes[:, 2:]) / 2,
            side=self.sides() * scale,
            roll=torch.atan2(eyes[:, 1], eyes[:, 0]),
        )


def box_overlap(box: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of a box `4` with boxes `n 4`."""
    low = torch.maximum(box[:2], others[:, :2])
    high = torch.minimum(box[2:], others[:, 2:])
    shared = (high - low).clamp_min(0).prod(dim=-1)
    area = (box[2:] - box[:2]).prod()
    areas = (others[:, 2:] - others[:, :2]).prod(dim=-1)
    return shared / (area + areas - shared).clamp_min(1e-12)


def weighted_suppression(
    boxes: Tensor, keypoints: Tensor, scores: Tensor, *, min_score: float, min_overlap: float
) -> Detections:
    """Non-maximum suppression that averages what it merges, as MediaPipe does.

    The best box takes all boxes that overlap it by more than `min_overlap`; boxes and keypoints
    are averaged with the scores as weights, the best score stays.

    Args:
        boxes: `n 4`.
        keypoints: `n 6 2`.
        scores: `n`.
        min_score: boxes under it are no faces.
        min_overlap: intersection over union from which two boxes are one face.
    """
    keep = scores > min_score
    boxes, keypoints, scores = boxes[keep], keypoints[keep], scores[keep]
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    while len(scores):
        best = scores.argmax()
        same = box_overlap(boxes[best], boxes) > min_overlap
        same[best] = True
        weight = scores[same] / scores[same].sum()
        found.append(
            (
                (boxes[same] * weight[:, None]).sum(dim=0),
                (keypoints[same] * weight[:, None, None]).sum(dim=0),
                scores[best],
            )
        )
        boxes, keypoints, scores = boxes[~same], keypoints[~same], scores[~same]
    if not found:
        return Detections(
            boxes=boxes.new_zeros(0, 4), keypoints=boxes.new_zeros(0, 6, 2), scores=scores
        )
    return Detections(
        boxes=torch.stack([item[0] for item in found]),
        keypoints=torch.stack([item[1] for item in found]),
        scores=torch.stack([item[2] for item in found]),
    )


class FaceDetector(FrozenExpert):
    """BlazeFace: faces that fill at least about a fifth of the square they are looked for in.

    Args:
        min_score: a face's least score.
        min_overlap: boxes that overlap by more are one face.
    """

    name = "face_detector"

    def __init__(self, *, min_score: float = 0.5, min_overlap: float = 0.3) -> None:
        super().__init__()
        self.min_score = min_score
        self.min_overlap = min_overlap

    @torch.no_grad()
    def detect(self, images: Tensor, *, windows: Squares | None = None) -> list[Detections]:
        """Faces of every picture, looked for in the whole picture or in a window of it.

        Args:
            images: `b 3 h w` RGB in [0, 1].
            windows: where to look, `b` squares without roll; the letter-boxed picture by default.

        Returns:
            Faces in pixels of the pictures, a `Detections` for each.
        """
        height, width = images.shape[-2:]
        if windows is None:
            windows = Squares.whole(num=len(images), height=height, width=width)
        crops = crop_squares(images, windows, size=INPUT_SIZE)
        boxes, keypoints, scores = self.call(crops)
        corners = windows.to_picture(boxes.cpu().reshape(len(boxes), -1, 2))
        boxes = corners.reshape(len(boxes), -1, 4)
        points = windows.to_picture(keypoints.cpu().reshape(len(boxes), -1, 2))
        points = points.reshape(len(boxes), -1, 6, 2)
        return [
            weighted_suppression(
                boxes[i],
                points[i],
                scores[i].cpu(),
                min_score=self.min_score,
                min_overlap=self.min_overlap,
            )
            for i in range(len(boxes))
        ]
