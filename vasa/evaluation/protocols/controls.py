"""Do gaze, distance and emotion obey? The asked value against the frames (VASA-1 figure 3).

Held-out people say held-out sentences for each value of a control; what the frames show is measured
by experts. A correlation is over the values asked of one source, so that how a face looks by itself
does not count, and beside it stands how much of the change arrives; an error is against the asked
value itself. The control takes the same frames against shuffled values; what the experts make of
real frames is in `control_floor`. Shapes: a asked values.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vasa.data.schema import EMOTIONS
from vasa.evaluation.control_sweep import Asked, SweepReadings
from vasa.evaluation.metrics.clip_metric import ClipMetric, MeanOverClips
from vasa.evaluation.metrics.control import DistanceError, EmotionError, GazeError, ObeyedShare
from vasa.evaluation.metrics.correlation import ClipCorrelation, VectorCorrelation
from vasa.evaluation.results import Bootstrap, ResultRow

SHUFFLED = "the same frames against the other asked values (shuffled)"
NUM_SHUFFLES = 24
ARRIVES = "how much of the asked change arrives: 1 is all, and steady but little is near 0"
UNITS = {"gaze_theta": "rad", "gaze_phi": "rad", "distance": "mean distances", "emotion": "weight"}
Kind = Callable[[], ClipMetric]
Read = Callable[[SweepReadings], Tensor]


@dataclass(frozen=True, kw_only=True)
class _Question:
    """One row: what was asked of which controls against what is read.

    Attributes:
        metric: the row's name.
        kind: of metric; takes results and targets of one source.
        asks: the controls whose videos count.
        read: what the frames of all videos of a source show, `a` or `a d`.
        column: of the asked values; None: all of them.
        unit: of the row.
        note: of the row.
    """

    metric: str
    kind: Kind
    asks: tuple[str, ...]
    read: Read
    column: int | None = None
    unit: str = "r"
    note: str = ""

    def places(self, asked: Sequence[Asked]) -> list[int]:
        """Which of the asked values count."""
        return [place for place, one in enumerate(asked) if one.control in self.asks]

    def target(self, asked: Sequence[Asked]) -> Tensor:
        """The asked values as the metric takes them."""
        values = [asked[place].value for place in self.places(asked)]
        target = torch.tensor(values, dtype=torch.float64)
        return target if self.column is None else target[:, self.column]


_ONE_AT_A_TIME = (
    _Question(
        metric="gaze_theta_correlation",
        kind=ClipCorrelation,
        asks=("gaze_theta",),
        read=lambda source: source.gaze[:, 0],
        column=0,
        note="sideways",
    ),
    _Question(
        metric="gaze_phi_correlation",
        kind=ClipCorrelation,
        asks=("gaze_phi",),
        read=lambda source: source.gaze[:, 1],
        column=1,
        note="up and down",
    ),
    _Question(
        metric="distance_correlation",
        kind=ClipCorrelation,
        asks=("distance",),
        read=lambda source: source.distance,
        column=0,
    ),
    _Question(
        metric="emotion_correlation",
        kind=VectorCorrelation,
        asks=("emotion",),
        read=lambda source: source.emotion,
    ),
)
_GAZE = _Question(
    metric="gaze_correlation",
    kind=VectorCorrelation,
    asks=("gaze_theta", "gaze_phi"),
    read=lambda source: source.gaze,
    note="theta and phi together",
)
QUESTIONS = (
    _GAZE,
    *_ONE_AT_A_TIME,
    replace(_GAZE, metric="gaze_error_deg", kind=GazeError, unit="deg", note="the paper's E_g"),
    replace(
        _ONE_AT_A_TIME[2],
        metric="distance_error",
        kind=DistanceError,
        unit=UNITS["distance"],
        note="the paper's E_d",
    ),
    replace(_ONE_AT_A_TIME[3], metric="emotion_error", kind=EmotionError, unit="share of weight"),
    *(
        replace(
            question,
            metric=question.metric.replace("correlation", "share"),
            kind=ObeyedShare,
            unit="share",
            note=ARRIVES,
        )
        for question in _ONE_AT_A_TIME
    ),
)


def suffix(scale: float, scales: Iterable[float]) -> str:
    """What a row's name says of lambda: nothing for the first one."""
    return "" if scale == next(iter(scales)) else f"_lambda_{scale:g}"


def controls(
    *,
    sweeps: Mapping[float, Sequence[SweepReadings]],
    asked: Sequence[Asked],
    emotion_note: str,
    split: str,
    bootstrap: Bootstrap,
) -> list[ResultRow]:
    """Rows `control/...`; intervals are over sources.

    Args:
        sweeps: by lambda of the control, what each source's frames show for `asked`.
        asked: all that was asked of each source.
        emotion_note: who reads emotion.
        split: of the clips.
        bootstrap: how intervals are made.
    """
    rows, cells = [], []
    for scale, readings in sweeps.items():
        name = suffix(scale, sweeps)
        rows += _obedience_rows(
            readings, asked, name, f"lambda {scale:g}", emotion_note, split, bootstrap
        )
        cells += _asked_rows(readings, asked, scale, split, bootstrap)
    return rows + cells


def _obedience_rows(
    sources: Sequence[SweepReadings],
    asked: Sequence[Asked],
    name: str,
    note: str,
    emotion_note: str,
    split: str,
    bootstrap: Bootstrap,
) -> list[ResultRow]:
    remeasured = f"{note}; re-measured from the frames, over the values asked of one source"
    rows = []
    for question in QUESTIONS:
        places = question.places(asked)
        if not places:
            continue
        target = question.target(asked)
        own, shuffled = question.kind(), question.kind()
        for number, source in enumerate(sources):
            result = question.read(source)[places]
            own.update(result, target)  # type: ignore[operator]
            with shuffled.one_unit():
                for order in shuffles(len(places), seed=number):
                    shuffled.update(result, target[order])  # type: ignore[operator]
        is_emotion = question.metric.startswith("emotion")
        parts = [remeasured, question.note, emotion_note if is_emotion else ""]
        rows.append(
            bootstrap.row(
                metric=f"control/{question.metric}{name}",
                measured=own,
                control=shuffled,
                control_name=SHUFFLED,
                split=split,
                unit=question.unit,
                note="; ".join(filter(None, parts)),
            )
        )
    return rows


def shuffles(count: int, *, seed: int) -> list[Tensor]:
    """Random orders of asked values, none of them their own."""
    generator = torch.Generator().manual_seed(seed)
    own = torch.arange(count)
    orders = (torch.randperm(count, generator=generator) for _ in range(4 * NUM_SHUFFLES))
    return [order for order in orders if not torch.equal(order, own)][:NUM_SHUFFLES]


def _asked_rows(
    sources: Sequence[SweepReadings],
    asked: Sequence[Asked],
    scale: float,
    split: str,
    bootstrap: Bootstrap,
) -> list[ResultRow]:
    """`control/asked/<control>_lambda_<lambda>/<value>`: what the frames show for one value."""
    rows = []
    for place, one in enumerate(asked):
        others = [
            other
            for other, peer in enumerate(asked)
            if peer.control == one.control and other != place
        ]
        column = EMOTIONS.index(one.label) if one.control == "emotion" else 0
        measured, beside = MeanOverClips(), MeanOverClips()
        for source in sources:
            series = {
                "gaze_theta": source.gaze[:, 0],
                "gaze_phi": source.gaze[:, 1],
                "distance": source.distance,
                "emotion": source.emotion[:, column],
            }[one.control]
            measured.update(series[place])
            beside.update(series[others].mean())
        rows.append(
            bootstrap.row(
                metric=f"control/asked/{one.control}_lambda_{scale:g}/{one.label}",
                measured=measured,
                control=beside,
                control_name="where the other values were asked",
                split=split,
                unit=UNITS[one.control],
                note="mean over sources of what the frames show",
            )
        )
    return rows
