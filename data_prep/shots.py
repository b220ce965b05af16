"""Cuts between shots, found while the pictures stream by."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from scenedetect import FrameTimecode
from scenedetect.detectors import AdaptiveDetector

from data_prep.settings import ShotSettings
from vasa.data.schema import FPS

_LOOK_PX = 160  # the detector compares means over the picture: it need not be large


@dataclass(frozen=True, kw_only=True)
class ShotFrame:
    """A picture, uint8 `h w 3`, and whether a new shot begins with it."""

    picture: np.ndarray
    is_cut: bool


def mark_cuts(frames: Iterator[np.ndarray], settings: ShotSettings) -> Iterator[ShotFrame]:
    """Pictures with their cuts, by PySceneDetect's AdaptiveDetector.

    A cut is a picture whose change (mean over hue, saturation and lightness) stands out against
    the two before and after it, so that a moving camera makes none. Only a few pictures are held
    back. The first and last two pictures are never cuts.

    Args:
        frames: RGB, uint8 `h w 3`, at 25 a second.
        settings: what is taken for a cut.
    """
    detector = AdaptiveDetector(
        adaptive_threshold=settings.ratio,
        min_content_val=settings.min_change,
        min_scene_len=settings.min_frames,
    )
    waiting: deque[np.ndarray] = deque()
    cuts: set[int] = set()
    next_out = 0
    for index, picture in enumerate(frames):
        time = FrameTimecode(index, float(FPS))
        cuts |= {cut.frame_num for cut in detector.process_frame(time, _small_bgr(picture))}
        waiting.append(picture)
        if len(waiting) > detector.event_buffer_length:
            yield ShotFrame(picture=waiting.popleft(), is_cut=next_out in cuts)
            next_out += 1
    for picture in waiting:
        yield ShotFrame(picture=picture, is_cut=next_out in cuts)
        next_out += 1


def _small_bgr(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    shrink = min(1.0, _LOOK_PX / max(height, width))
    size = (max(8, round(width * shrink)), max(8, round(height * shrink)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)[..., ::-1].copy()
