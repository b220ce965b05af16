"""One face followed through a clip: detection now and then, landmarks on every frame."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from data_prep.settings import TrackSettings
from data_prep.shots import ShotFrame
from vasa.pretrained.face_detector import Detections, FaceDetector, weighted_suppression
from vasa.pretrained.landmarks import NUM_LANDMARKS, FaceLandmarker, landmark_squares
from vasa.pretrained.squares import Squares

CLOSE_WINDOW = 3.0
"""Side of the window in which a known face is looked for, over the face's side."""
REGION = 2.5
"""Side of the part of the picture that is worked on, over the known landmark square's."""
SMALL_FACE = 0.2
"""Faces below this share of the window are looked for again, nearer (the detector's range)."""
REFINE_SHIFT = 0.12
SURE_PRESENCE = 10.0
REFINE_SCALE = 1.4
RIVAL_SCORE = 0.7
LEVELS = (1, 2, 4)
FLAT = 0.05
"""Pictures of fewer contrasts (black ones) show nobody."""


@dataclass(frozen=True, kw_only=True)
class FaceTrack:
    """One face over all frames of a clip.

    Attributes:
        landmarks: pixels of the source, depth in the same unit; NaN where there is none, `t 478 3`.
        presence: logit, -inf where no face was found, `t`.
        has_rival: whether another large face was seen at the beginning of the frame's chunk, `t`.
        shot: number of the shot that the frame belongs to, `t`.
        found_any: whether any detection was made at all.
        height: of the pictures.
        width: of the pictures.
    """

    landmarks: np.ndarray
    presence: np.ndarray
    has_rival: np.ndarray
    shot: np.ndarray
    found_any: bool
    height: int
    width: int

    def __len__(self) -> int:
        return len(self.presence)


def to_images(frames: np.ndarray) -> Tensor:
    """uint8 `t h w 3` as float `t 3 h w` in [0, 1]."""
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float().div_(255)


def in_chunks(frames: Iterator[np.ndarray], *, num: int) -> Iterator[np.ndarray]:
    """Frames in stacks of `num`, the last one shorter."""
    while chunk := list(islice(frames, num)):
        yield np.stack(chunk)


def in_shot_chunks(frames: Iterator[ShotFrame], *, num: int) -> Iterator[ShotFrame]:
    """Stacks of up to `num` frames, `t h w 3`, none of which reaches over a cut."""
    chunk: list[np.ndarray] = []
    is_cut = False
    for frame in frames:
        if chunk and (frame.is_cut or len(chunk) == num):
            yield ShotFrame(picture=np.stack(chunk), is_cut=is_cut)
            chunk, is_cut = [], False
        is_cut |= frame.is_cut
        chunk.append(frame.picture)
    if chunk:
        yield ShotFrame(picture=np.stack(chunk), is_cut=is_cut)


def cut_region(frames: np.ndarray, square: Squares) -> tuple[np.ndarray, Squares]:
    """The part of the frames that an upright square covers, and the square moved into that part.

    Work on pixels then costs what the face costs, not what the picture does.

    Args:
        frames: uint8 `t h w 3`.
        square: one square without roll.
    """
    height, width = frames.shape[1:3]
    half = float(square.side[0]) / 2 + 2
    x, y = (float(value) for value in square.centre[0])
    left, top = (int(np.clip(value - half, 0, None)) for value in (x, y))
    right, bottom = int(np.ceil(x + half)), int(np.ceil(y + half))
    left, top = min(left, width - 1), min(top, height - 1)
    part = frames[:, top : max(bottom, top + 1), left : max(right, left + 1)]
    return part, square.moved(torch.tensor([-float(left), -float(top)]))


@dataclass
class FaceTracker:
    """Follows the largest face of a clip.

    Args:
        detector: finds faces.
        landmarker: landmarks in a face's square.
        settings: how often, how sure.
    """

    detector: FaceDetector
    landmarker: FaceLandmarker
    settings: TrackSettings
    _last: Squares | None = field(default=None, init=False)
    _found_any: bool = field(default=False, init=False)
    _level: int = field(default=LEVELS[0], init=False)

    @torch.no_grad()
    def follow(self, frames: Iterator[ShotFrame]) -> FaceTrack:
        """Track over frames of one size; the face is looked for anew in every shot."""
        self._last, self._found_any = None, False
        points = [np.zeros((0, NUM_LANDMARKS, 3), np.float32)]
        presence = [np.zeros(0, np.float32)]
        has_rival: list[bool] = []
        shots: list[int] = []
        shot, height, width = 0, 0, 0
        for chunk in in_shot_chunks(frames, num=self.settings.chunk_frames):
            num, height, width = chunk.picture.shape[:3]
            if chunk.is_cut:
                shot += 1
                self._last = None
            if self._last is None:
                self._level = LEVELS[0]
            rivals = self._look_wide(to_images(chunk.picture[:1]))
            chunk_points, chunk_presence = self._measure(chunk.picture)
            points.append(chunk_points.numpy())
            presence.append(chunk_presence.numpy())
            has_rival += [rivals > 0] * num
            shots += [shot] * num
        return FaceTrack(
            landmarks=np.concatenate(points),
            presence=np.concatenate(presence),
            has_rival=np.array(has_rival, dtype=bool),
            shot=np.array(shots, dtype=np.int64),
            found_any=self._found_any,
            height=height,
            width=width,
        )

    def _look_wide(self, image: Tensor) -> int:
        """How many other large faces a picture shows; where none is followed, the main one is."""
        if float(image.amax() - image.amin()) < FLAT:
            return 0
        found, level = look_everywhere(self.detector, image, first=self._level)
        if not len(found):
            return 0
        self._level = level
        self._found_any = True
        main = int(found.sides().argmax())
        if self._last is not None:
            main = int((found.squares().centre - self._last.centre).norm(dim=-1).argmin())
        large = found.sides() >= self.settings.rival_side * found.sides()[main]
        if self._last is None:
            self._last = found.squares()[main : main + 1]
        return int((large & (found.scores >= RIVAL_SCORE)).sum()) - int(large[main])

    def _measure(self, frames: np.ndarray) -> tuple[Tensor, Tensor]:
        num = len(frames)
        points = torch.full((num, NUM_LANDMARKS, 3), float("nan"))
        presence = torch.full((num,), float("-inf"))
        if self._last is None:
            return points, presence
        around = Squares(
            centre=self._last.centre, side=self._last.side * REGION, roll=torch.zeros(1)
        )
        part, moved = cut_region(frames, around)
        origin = moved.centre - around.centre
        images, known = to_images(part), self._last.moved(origin[0])
        squares = self._squares(images, known)
        points, presence = self.landmarker(images, squares)
        around = landmark_squares(points, scale=REFINE_SCALE)
        shift = (around.centre - squares.centre).norm(dim=-1) / around.side
        again = ((shift > REFINE_SHIFT) | (presence < SURE_PRESENCE)) & (presence > 0)
        again &= (around.side > 8) & (around.side < 4 * squares.side)
        if again.any():
            better, logits = self.landmarker(images[again], around[again])
            take = logits > presence[again]
            places = again.nonzero()[:, 0][take]
            points[places], presence[places] = better[take], logits[take]
        points[..., :2] -= origin
        trusted = (presence > self.settings.min_presence).nonzero()[:, 0]
        if len(trusted):
            last = int(trusted[-1])
            self._last = landmark_squares(points[last : last + 1], scale=REFINE_SCALE)
        else:
            self._last = None
        return points, presence

    def _squares(self, images: Tensor, known: Squares) -> Squares:
        """A square for every frame: detections near the known face, interpolated in between."""
        num = len(images)
        keys = sorted({*range(0, num, self.settings.detect_every), num - 1})
        side = known.side / 1.5 * CLOSE_WINDOW
        windows = Squares(
            centre=known.centre.repeat(len(keys), 1),
            side=side.repeat(len(keys)),
            roll=torch.zeros(len(keys)),
        )
        places, rows = [], []
        for key, found in zip(
            keys, self.detector.detect(images[keys], windows=windows), strict=True
        ):
            if len(found):
                squares = found.squares()
                distance = (squares.centre - known.centre).norm(dim=-1) / known.side
                ratio = (squares.side / known.side).log().abs()
                best = int((distance + ratio).argmin())
                places.append(key)
                rows.append(
                    torch.cat(
                        (squares.centre[best], squares.side[best, None], squares.roll[best, None])
                    )
                )
        if not places:
            return Squares(
                centre=known.centre.repeat(num, 1),
                side=known.side.repeat(num),
                roll=known.roll.repeat(num),
            )
        table = torch.stack(rows).numpy()
        dense = np.stack([np.interp(np.arange(num), places, column) for column in table.T])
        dense_rows = torch.from_numpy(dense).float()
        return Squares(centre=dense_rows[:2].T, side=dense_rows[2], roll=dense_rows[3])


def look_everywhere(
    detector: FaceDetector, image: Tensor, *, first: int = LEVELS[0]
) -> tuple[Detections, int]:
    """Faces of one picture `1 3 h w`, first in the whole of it, then nearer where that finds none.

    BlazeFace sees faces down to about a fifth of its window; windows of a half and a quarter of the
    picture, overlapping by half, are searched in turn until one level finds a face.

    Args:
        detector: finds faces in a window.
        image: in [0, 1].
        first: windows of 1 / `first` of the picture are searched first; larger ones are not.

    Returns:
        The faces, and the level that found them.
    """
    height, width = image.shape[-2:]
    whole = float(max(height, width))
    for level in LEVELS[LEVELS.index(first) :]:
        side = whole / level
        windows = _tiles(height=height, width=width, side=side)
        found = detector.detect(image.expand(len(windows), -1, -1, -1), windows=windows)
        large = [_only_large(item, side) if level < LEVELS[-1] else item for item in found]
        merged = weighted_suppression(
            torch.cat([item.boxes for item in large]),
            torch.cat([item.keypoints for item in large]),
            torch.cat([item.scores for item in large]),
            min_score=detector.min_score,
            min_overlap=detector.min_overlap,
        )
        if len(merged):
            break
    return merged, level


def _only_large(found: Detections, side: float) -> Detections:
    keep = found.sides() >= SMALL_FACE * side
    return Detections(
        boxes=found.boxes[keep], keypoints=found.keypoints[keep], scores=found.scores[keep]
    )


def _tiles(*, height: int, width: int, side: float) -> Squares:
    """Windows of one side that cover a picture, overlapping by half."""

    def middles(length: int) -> list[float]:
        if length <= side:
            return [length / 2]
        num = int(np.ceil((length - side) / (side / 2))) + 1
        return list(np.linspace(side / 2, length - side / 2, num))

    centres = [(x, y) for y in middles(height) for x in middles(width)]
    return Squares(
        centre=torch.tensor(centres, dtype=torch.float32),
        side=torch.full((len(centres),), side),
        roll=torch.zeros(len(centres)),
    )
