"""Are the lips of generated frames closed where their audio says p, b or m?"""

from collections.abc import Sequence

from torch import Tensor

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.measuring import REMEASURED
from vasa.evaluation.metrics.closure import ClosureRate
from vasa.evaluation.protocols.pairing import SHUFFLED
from vasa.evaluation.results import Bootstrap, ResultRow
from vasa.evaluation.settings import EventSettings


class LipClosures:
    """Closures made by generated videos and, by the same detector, by real clips.

    Speaking mouths are shut every so often, and within ±2 frames of any instant more often still;
    what shuffled audio scores is what chance gives.

    Args:
        events: what a closure is.
    """

    def __init__(self, *, events: EventSettings) -> None:
        self.events = events
        self.own, self.shuffled, self.real, self.real_shuffled = (
            ClosureRate(
                share=events.closure_share, tolerance_frames=events.closure_tolerance_frames
            )
            for _ in range(4)
        )

    def add(
        self,
        seen: Tensor,
        real: Tensor,
        *,
        clip: EvaluationClip,
        others: Sequence[EvaluationClip],
    ) -> None:
        """Adds re-measured openings `t` of a video and of its real clip.

        Args:
            seen: of the generated frames.
            real: of the real frames.
            clip: whose audio it is; without phonemes it is empty.
            others: whose audio it is not.
        """
        if clip.phoneme is None:
            for metric in (self.own, self.real, self.shuffled, self.real_shuffled):
                metric.add_empty()
            return
        self.own.update(seen, clip.phoneme)
        self.real.update(real, clip.phoneme)
        with self.shuffled.one_unit(), self.real_shuffled.one_unit():
            for other in others:
                if other.phoneme is not None:
                    self.shuffled.update(seen, other.phoneme)
                    self.real_shuffled.update(real, other.phoneme)

    def rows(self, *, split: str, bootstrap: Bootstrap) -> list[ResultRow]:
        """Rows `generated/closure_rate` and of the real clips; none where nothing was closed."""
        metrics = (self.own, self.shuffled)
        if not all(metric.num_scored for metric in metrics):
            return []
        events = self.events
        rule = (
            f"share of p, b and m with an opening under {events.closure_share:g} of the video's "
            f"90th percentile within ±{events.closure_tolerance_frames} frames; "
        )
        table = (
            ("closure_rate", self.own, self.shuffled, rule + REMEASURED),
            (
                "real_closure_rate",
                self.real,
                self.real_shuffled,
                rule + "on the real frames: what the measuring expert can see at all",
            ),
        )
        return [
            bootstrap.row(
                metric=f"generated/{name}",
                measured=measured,
                control=control,
                control_name=SHUFFLED,
                split=split,
                unit="share",
                note=note,
            )
            for name, measured, control, note in table
        ]
