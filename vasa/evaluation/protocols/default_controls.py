"""The controls that every generated video is given: does it look forward, from the mean distance?

E_g and E_d of VASA-1's table 5, for what `vasa generate` asks where the user asks nothing.
"""

import torch

from vasa.evaluation.measuring import REMEASURED
from vasa.evaluation.metrics.clip_metric import ClipMetric
from vasa.evaluation.metrics.control import DistanceError, GazeError, seen_distance, seen_gaze
from vasa.evaluation.results import Bootstrap, ResultRow
from vasa.inference.windows import MotionControls
from vasa.types import FaceMeasurements

REAL = "real clips, of which it was not asked"


class DefaultControls:
    """Gaze and distance of videos against what all of them were asked.

    Args:
        distance: that is asked, over the mean distance; None: unknown, and left out.
    """

    def __init__(self, *, distance: float | None) -> None:
        gaze = MotionControls().gaze
        assert gaze is not None, "videos are asked to look somewhere"
        self.gaze = torch.tensor([gaze], dtype=torch.float64)
        self.distance = None if distance is None else torch.tensor([distance], dtype=torch.float64)
        self.gaze_error, self.gaze_real = GazeError(), GazeError()
        self.distance_error, self.distance_real = DistanceError(), DistanceError()

    def add(self, seen: FaceMeasurements, real: FaceMeasurements, *, skip: int) -> None:
        """Adds a video and its real clip as re-measured.

        Args:
            seen: the video.
            real: the clip.
            skip: first frames of the video in which the head still comes from the source's pose.
        """
        self.gaze_error.update(seen_gaze(seen)[None], self.gaze)
        self.gaze_real.update(seen_gaze(real)[None], self.gaze)
        if self.distance is not None:
            later = seen_distance(seen, skip=skip)
            self.distance_error.update(later[None], self.distance)
            self.distance_real.update(seen_distance(real)[None], self.distance)

    def rows(self, *, split: str, bootstrap: Bootstrap) -> list[ResultRow]:
        """Rows `generated/gaze_error_deg` and `generated/distance_error`."""
        table: list[tuple[str, ClipMetric, ClipMetric, str, str]] = [
            (
                "gaze_error_deg",
                self.gaze_error,
                self.gaze_real,
                "deg",
                "the paper's E_g, main gaze against the forward one that was asked; ",
            )
        ]
        if self.distance is not None:
            table.append(
                (
                    "distance_error",
                    self.distance_error,
                    self.distance_real,
                    "mean distances",
                    "the paper's E_d, head distance against the mean one that was asked; ",
                )
            )
        return [
            bootstrap.row(
                metric=f"generated/{name}",
                measured=measured,
                control=control,
                control_name=REAL,
                split=split,
                unit=unit,
                note=note + REMEASURED,
                keep_clips=True,
            )
            for name, measured, control, unit, note in table
        ]
