"""Talking videos: does the mouth of the generated FRAMES follow the audio?

A held-out person's first frame speaks the held-out clip's audio; the mouth opening is measured in
the generated frames by an expert and compared with the truth of that audio. Nothing is taken from
the generator (VASA-1 sec. 4.2).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from torch import Tensor

from vasa.data.schema import FPS
from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.measuring import REMEASURED, ReadVideo
from vasa.evaluation.metrics.blink import BlinkRate
from vasa.evaluation.metrics.clip_metric import ClipMetric, ShareOfFrames, several
from vasa.evaluation.metrics.identity import IdentitySimilarity
from vasa.evaluation.metrics.motion import MotionSpread, PoseVariation
from vasa.evaluation.metrics.ratio import DeviationInSpreads, RatioOfSums
from vasa.evaluation.protocols.default_controls import DefaultControls
from vasa.evaluation.protocols.lip_closures import LipClosures
from vasa.evaluation.protocols.method_distances import motion_distance
from vasa.evaluation.protocols.mouth_agreement import MouthAgreement
from vasa.evaluation.protocols.pairing import SHUFFLED, unrelated
from vasa.evaluation.results import Bootstrap, ResultRow
from vasa.evaluation.settings import EventSettings
from vasa.types import FaceMeasurements

REAL = "real clips"


class Naturalness:
    """Generated videos beside the real clips of the same people and sentences.

    Args:
        events: what a blink is.
    """

    def __init__(self, *, events: EventSettings) -> None:
        self.spread, self.spread_real = MotionSpread(), MotionSpread()
        self.change, self.change_real = PoseVariation(), PoseVariation()
        self.change_label = PoseVariation()
        self.blinks, self.blinks_real = (
            BlinkRate(shut=events.blink_shut, opened=events.blink_open, fps=FPS) for _ in range(2)
        )
        self.found, self.found_real = ShareOfFrames(), ShareOfFrames()

    def add(self, seen: FaceMeasurements, real: FaceMeasurements, clip: EvaluationClip) -> None:
        """Adds a video as re-measured, its real clip as re-measured, and the clip's labels."""
        self.spread.update(seen.mouth[:, 0])
        self.spread_real.update(real.mouth[:, 0])
        self.change.update(seen.pose)
        self.change_real.update(real.pose)
        self.change_label.update(clip.pose)
        self.blinks.update(seen.blink)
        self.blinks_real.update(real.blink)
        self.found.update(seen.presence > 0)
        self.found_real.update(real.presence > 0)

    def rows(self, *, split: str, bootstrap: Bootstrap) -> list[ResultRow]:
        """Rows `generated/...`; no deviation in spreads where all real clips blink alike."""
        ratio, instrument_ratio, deviation = RatioOfSums(), RatioOfSums(), DeviationInSpreads()
        rates = self.blinks_real.per_clip()
        for metric, result, target in (
            (ratio, self.change.per_clip(), self.change_real.per_clip()),
            (instrument_ratio, self.change_real.per_clip(), self.change_label.per_clip()),
            (deviation, self.blinks.per_clip(), rates),
        ):
            for one, other in zip(result, target, strict=True):
                metric.update(one, other)
        spread = f"{float(rates.mean()):.3f} ± {float(rates.std()):.3f}"
        nearer = "nearer to real is better; "
        table: tuple[tuple[str, ClipMetric, ClipMetric | float, str, str, bool | None, str], ...]
        table = (
            (
                "mouth_opening_std",
                self.spread,
                self.spread_real,
                REAL,
                "eye distances",
                None,
                nearer,
            ),
            (
                "pose_change",
                self.change,
                self.change_real,
                REAL,
                "deg/frame",
                None,
                "the paper's dP, " + nearer,
            ),
            (
                "pose_variation_ratio",
                ratio,
                instrument_ratio,
                "real clips re-measured over their labels: what the expert adds",
                "ratio",
                None,
                "dP of generated over dP of real frames, 1 is best; ",
            ),
            (
                "blink_rate",
                self.blinks,
                self.blinks_real,
                REAL,
                "blinks/s",
                None,
                f"real clips {spread} (standard deviation between clips); ",
            ),
            (
                "blink_rate_deviation",
                deviation,
                0.0,
                "real clips, by definition",
                "spreads",
                None,
                "difference to the real clips' mean in standard deviations between them: within ±1 "
                "is within their spread; ",
            ),
            (
                "face_found",
                self.found,
                self.found_real,
                REAL,
                "share",
                True,
                "frames in which the expert sees a face at all; ",
            ),
        )
        return [
            bootstrap.row(
                metric=f"generated/{name}",
                measured=measured,
                control=control,
                control_name=control_name,
                split=split,
                unit=unit,
                higher_is_better=is_better,
                note=note + REMEASURED,
                keep_clips=measured is self.change,
            )
            for name, measured, control, control_name, unit, is_better, note in table
            if measured is not deviation or not measured.compute().isnan()
        ]


def generated(
    *,
    read: ReadVideo,
    clips: Sequence[EvaluationClip],
    videos: Sequence[Tensor],
    real_videos: Sequence[Tensor],
    events: EventSettings,
    start_frames: int,
    asked_distance: float | None,
    motion_window_frames: int,
    bootstrap: Bootstrap,
    track: Callable[[Iterable], Iterable],
) -> list[ResultRow]:
    """Rows `generated/...` of videos made from each clip's first frame and audio.

    Args:
        read: the measuring expert.
        clips: held-out clips: truth of the audio, and the source pictures.
        videos: generated frames of each, uint8 `t c h w`.
        real_videos: the clips' own frames past the same codec.
        events: what closed lips and blinks are.
        start_frames: in which a video's head still comes from the source's pose.
        asked_distance: of the head, that every video was asked for; None: unknown.
        motion_window_frames: of FD-motion.
        bootstrap: how intervals are made.
        track: wraps the loop over clips.
    """
    bootstrap = bootstrap.over(clip.speaker for clip in clips)
    own, shuffled = MouthAgreement(), MouthAgreement()
    closures, natural = LipClosures(events=events), Naturalness(events=events)
    obeyed = DefaultControls(distance=asked_distance)
    identity, identity_others = IdentitySimilarity(), IdentitySimilarity()
    sources = [read(clip.frames[clip.source_index()][None]).identity[0] for clip in clips]
    shown: dict[str, FaceMeasurements] = {}
    own_shown: dict[str, FaceMeasurements] = {}
    pairs = zip(videos, real_videos, strict=True)
    for index, (clip, (video, real_video)) in enumerate(zip(track(clips), pairs, strict=True)):
        seen, real = read(video), read(real_video)
        shown[clip.key], own_shown[clip.key] = seen, real
        others = [clips[other] for other in unrelated(clips, index)]
        own.add(seen.mouth, clip)
        with shuffled.one_unit():
            for other in others:
                shuffled.add(seen.mouth, other)
        closures.add(seen.mouth[:, 0], real.mouth[:, 0], clip=clip, others=others)
        natural.add(seen, real, clip)
        obeyed.add(seen, real, skip=start_frames)
        identity.update(seen.identity, sources[index])
        with identity_others.one_unit():
            for other, stranger in enumerate(clips):
                if stranger.speaker != clip.speaker:
                    identity_others.update(seen.identity, sources[other])
    split = clips[0].split
    rows = [
        bootstrap.row(
            metric=f"generated/{name}",
            measured=metric,
            control=shuffled.metrics[name],
            control_name=SHUFFLED,
            split=split,
            unit="r",
            note=("pooled; " if name.endswith("_pooled") else "mean over clips; ") + REMEASURED,
        )
        for name, metric in own.metrics.items()
    ]
    rows += closures.rows(split=split, bootstrap=bootstrap)
    rows += natural.rows(split=split, bootstrap=bootstrap)
    rows += obeyed.rows(split=split, bootstrap=bootstrap)
    rows.append(
        bootstrap.row(
            metric="generated/identity_similarity",
            measured=identity,
            control=identity_others if identity_others.num_scored else None,
            control_name="another identity: all other people",
            split=split,
            unit="cosine",
            note="to the source picture; " + REMEASURED,
        )
    )
    speakers = {clip.key: clip.speaker for clip in clips}
    return rows + _distance_rows(
        shown, own_shown, window_frames=motion_window_frames, speakers=speakers, split=split
    )


def _distance_rows(
    shown: Mapping[str, FaceMeasurements],
    real: Mapping[str, FaceMeasurements],
    *,
    window_frames: int,
    speakers: Mapping[str, str],
    split: str,
) -> list[ResultRow]:
    """`generated/frechet_motion`; none where there are too few windows."""
    found = motion_distance(shown, real, window_frames=window_frames, speakers=speakers)
    floor = motion_distance(real, real, window_frames=window_frames, speakers=speakers)
    if found is None:
        return []
    return [
        ResultRow(
            metric="generated/frechet_motion",
            value=found.value,
            control=None if floor is None else floor.value,
            control_name="real clips against real clips",
            split=split,
            n=len(shown),
            unit="FD(own)",
            higher_is_better=False,
            ci_low=found.ci_low,
            ci_high=found.ci_high,
            n_people=several([speakers[key] for key in shown]),
            note=f"Fréchet distance of {window_frames}-frame windows of measured head, mouth, gaze "
            "and lids, as the protocol methods takes it; not FVD; " + REMEASURED,
        )
    ]
