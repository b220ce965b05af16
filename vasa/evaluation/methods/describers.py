"""Whose features the Fréchet distances of methods compare."""

from dataclasses import dataclass
from typing import Any

from vasa.evaluation.clip_features import ClipFeatures
from vasa.evaluation.frame_features import FrameFeatures, frame_features, inception_features
from vasa.evaluation.method_settings import MethodSettings
from vasa.evaluation.networks import Networks
from vasa.evaluation.protocols.distance_rows import (
    DistanceKind,
    fid_kind,
    frames_kind,
    fvd_kind,
    motion_kind,
)


@dataclass(frozen=True, kw_only=True)
class Describers:
    """Networks that describe frames and short clips.

    Attributes:
        frames: of FD-frames.
        inception: of FID; None where it is not asked for.
        i3d: of FVD_25; None where it is not asked for.
    """

    frames: FrameFeatures
    inception: FrameFeatures | None
    i3d: ClipFeatures | None

    @staticmethod
    def of(bench: Networks, *, num_clips: int) -> "Describers":
        """Those that an evaluation of so many clips asks for.

        Raises:
            InputError: a file of theirs is not there.
        """
        has_fid = "fid" in bench.settings.methods.published
        return Describers(
            frames=frame_features(bench.instrument, device=bench.device),
            inception=inception_features(device=bench.device) if has_fid else None,
            i3d=bench.i3d(num_clips=num_clips),
        )

    def facts(self) -> dict[str, Any]:
        """All that features depend on besides the videos and the measuring expert."""
        return {
            "frames": self.frames.judge,
            "inception": None if self.inception is None else self.inception.judge,
            "i3d": None if self.i3d is None else self.i3d.facts(),
        }

    def kinds(self, settings: MethodSettings) -> list[DistanceKind]:
        """The distances that methods are given."""
        found = [frames_kind(self.frames), motion_kind(settings.motion_window_frames)]
        if self.inception is not None:
            found.append(fid_kind(self.inception))
        if self.i3d is not None:
            found.append(fvd_kind(self.i3d, max_rows=settings.fvd_rows))
        return found
