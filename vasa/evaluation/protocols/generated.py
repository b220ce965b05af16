"""Talking videos: does the mouth of the generated FRAMES follow the audio?

A held-out person's first frame speaks the held-out clip's audio; the mouth opening is measured in
the generated frames by an expert and compared with the truth of that audio. Nothing is taken from
the generator (VASA-1 sec. 4.2).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from torch import Tensor

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.measuring import Instrument, measure
from vasa.evaluation.metrics.clip_metric import ClipMetric, MeanOverClips
from vasa.evaluation.metrics.correlation import ClipCorrelation, PooledCorrelation
from vasa.evaluation.metrics.identity import IdentitySimilarity
from vasa.evaluation.protocols.pairing import unrelated
from vasa.evaluation.results import Bootstrap, ResultRow
from vasa.geometry.rotation import rotation_angle_between, rotation_from_angles

SHUFFLED = "shuffled audio: every other clip's"


def mean_pose_change(pose: Tensor) -> Tensor:
    """Mean head rotation from one frame to the next in degrees (the paper's dP); pose `t 6`."""
    rotation = rotation_from_angles(pose[:, :3].double())
    return rotation_angle_between(rotation[1:], rotation[:-1]).rad2deg().mean()


class MouthAgreement:
    """Correlations of a video's re-measured mouth with the truth of one audio or of several."""

    def __init__(self) -> None:
        self.metrics: dict[str, ClipMetric] = {
            "mouth_correlation": ClipCorrelation(),
            "mouth_correlation_pooled": PooledCorrelation(),
            "mouth_width_correlation": ClipCorrelation(),
        }

    def add(self, mouth: Tensor, truth: EvaluationClip) -> None:
        """Adds the measured mouth `t 2` of a video against a clip's labels, over common frames."""
        count = min(len(mouth), len(truth.mouth))
        kept = truth.valid[:count].nonzero().flatten()
        found, wanted = mouth[kept], truth.mouth[kept]
        self.metrics["mouth_correlation"].update(found[:, 0], wanted[:, 0])
        self.metrics["mouth_correlation_pooled"].update(found[:, 0], wanted[:, 0])
        self.metrics["mouth_width_correlation"].update(found[:, 1], wanted[:, 1])

    @contextmanager
    def one_unit(self) -> Iterator[None]:
        """All that is added inside is one draw of the bootstrap."""
        with ExitStack() as stack:
            for metric in self.metrics.values():
                stack.enter_context(metric.one_unit())
            yield


def generated(
    *,
    instrument: Instrument,
    clips: Sequence[EvaluationClip],
    videos: Sequence[Tensor],
    batch_size: int,
    bootstrap: Bootstrap,
    track: Callable[[Iterable], Iterable],
) -> list[ResultRow]:
    """Rows `generated/...` of videos made from each clip's first frame and audio.

    Args:
        instrument: the measuring expert.
        clips: held-out clips: truth of the audio.
        videos: generated frames of each, uint8 `t c h w`.
        batch_size: frames at once.
        bootstrap: how intervals are made.
        track: wraps the loop over clips.
    """
    own, shuffled = MouthAgreement(), MouthAgreement()
    spread, spread_real = MeanOverClips(), MeanOverClips()
    change, change_real = MeanOverClips(), MeanOverClips()
    found, found_real = MeanOverClips(), MeanOverClips()
    identity, identity_others = IdentitySimilarity(), IdentitySimilarity()
    sources = [measure(instrument, clip.source()[None], batch_size=1).identity[0] for clip in clips]
    for index, (clip, video) in enumerate(zip(track(clips), videos, strict=True)):
        seen = measure(instrument, video.float() / 255, batch_size=batch_size)
        own.add(seen.mouth, clip)
        with shuffled.one_unit():
            for other in unrelated(clips, index):
                shuffled.add(seen.mouth, clips[other])
        real = measure(instrument, clip.images(), batch_size=batch_size)
        spread.update(seen.mouth[:, 0].std())
        spread_real.update(real.mouth[:, 0].std())
        change.update(mean_pose_change(seen.pose))
        change_real.update(mean_pose_change(real.pose))
        found.update((seen.presence > 0).double().mean())
        found_real.update((real.presence > 0).double().mean())
        identity.update(seen.identity, sources[index])
        with identity_others.one_unit():
            for other, stranger in enumerate(clips):
                if stranger.speaker != clip.speaker:
                    identity_others.update(seen.identity, sources[other])
    split = clips[0].split
    remeasured = "re-measured from the generated frames"
    rows = (
        *(
            (name, metric, shuffled.metrics[name], SHUFFLED, "r", None, note)
            for (name, metric), note in zip(
                own.metrics.items(),
                ("mean over clips; ", "pooled; ", "mean over clips; "),
                strict=True,
            )
        ),
        (
            "mouth_opening_std",
            spread,
            spread_real,
            "real clips",
            "eye distances",
            None,
            "nearer to real is better; ",
        ),
        (
            "pose_change",
            change,
            change_real,
            "real clips",
            "deg/frame",
            None,
            "the paper's dP, nearer to real is better; ",
        ),
        (
            "face_found",
            found,
            found_real,
            "real clips",
            "share",
            True,
            "frames in which the expert sees a face at all; ",
        ),
        (
            "identity_similarity",
            identity,
            identity_others if identity_others.statistics else None,
            "another identity: all other people",
            "cosine",
            None,
            "to the source picture; ",
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
            note=note + remeasured,
        )
        for name, measured, control, control_name, unit, is_better, note in rows
    ]
