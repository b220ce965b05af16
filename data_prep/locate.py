"""The face crop of a single picture, by the rules that clips are prepared by."""

from functools import cached_property

import torch
from torch import Tensor

from data_prep.crop import crop_frames, steady_crop
from data_prep.settings import TrackSettings
from data_prep.shots import ShotFrame
from data_prep.track import FaceTracker
from vasa.inference.face_locator import LocatedFace
from vasa.pretrained.face_detector import FaceDetector
from vasa.pretrained.landmarks import FaceLandmarker
from vasa.pretrained.squares import Squares
from vasa.types import InputError


class TrackedFaceLocator:
    """A `vasa.inference.face_locator.FaceLocator` from the detector and landmarker of `vasa prep`.

    Args:
        settings: how sure a face must be.
    """

    def __init__(self, *, settings: TrackSettings) -> None:
        self.settings = settings

    @staticmethod
    def available() -> bool:
        """Whether the weights of both networks are found."""
        return FaceDetector.available() and FaceLandmarker.available()

    @cached_property
    def _tracker(self) -> FaceTracker:
        return FaceTracker(
            detector=FaceDetector(), landmarker=FaceLandmarker(), settings=self.settings
        )

    def __call__(self, image: Tensor, *, size: int) -> LocatedFace:
        """The largest face of a picture `3 h w` in [0, 1], its crop `3 size size`.

        Raises:
            InputError: no face.
        """
        picture = (image * 255).round().byte().permute(1, 2, 0).numpy()
        track = self._tracker.follow(iter([ShotFrame(picture=picture, is_cut=False)]))
        if float(track.presence[0]) < self.settings.min_presence:
            raise InputError(
                "expected a face in the image, the face detector finds none; give a picture with "
                "one face, seen from the front and not too small"
            )
        height, width = picture.shape[:2]
        crop = steady_crop(track.landmarks, height=height, width=width)
        cut = crop_frames(iter([picture]), crop, start=0, stop=1, size=size, chunk=1)
        return LocatedFace(
            crop=torch.from_numpy(cut[0]).permute(2, 0, 1).float() / 255,
            square=Squares(
                centre=torch.tensor([crop.centre]),
                side=torch.tensor([crop.side]),
                roll=torch.zeros(1),
            ),
        )
