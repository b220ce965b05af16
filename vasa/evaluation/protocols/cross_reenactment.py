"""Cross-reenactment: one person's picture driven by another person's clip.

There is no true picture to compare with, so pose, mouth and identity are re-measured from the
generated frames. Source and drivers are held-out people.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.measuring import Instrument, measure
from vasa.evaluation.metrics.clip_metric import ClipMetric
from vasa.evaluation.metrics.correlation import ClipCorrelation
from vasa.evaluation.metrics.identity import IdentitySimilarity
from vasa.evaluation.metrics.pose import ANGLES, AngleError, PoseError
from vasa.evaluation.protocols.pairing import other_person, unrelated
from vasa.evaluation.protocols.reenactment import Autoencoder, reenact
from vasa.evaluation.results import Bootstrap, ResultRow


def _motion_metrics() -> dict[str, ClipMetric]:
    errors: dict[str, ClipMetric] = {f"{angle}_error": AngleError(angle=angle) for angle in ANGLES}
    return {"pose_error": PoseError(), **errors, "mouth_correlation": ClipCorrelation()}


def cross_reenactment(
    *,
    autoencoder: Autoencoder,
    instrument: Instrument,
    clips: Sequence[EvaluationClip],
    frame_stride: int,
    batch_size: int,
    bootstrap: Bootstrap,
    track: Callable[[Iterable], Iterable],
) -> list[ResultRow]:
    """Pose error, mouth correlation and identity of person A driven by a clip of person B.

    Controls: the same generated frames against every driver that did not drive them, and against
    the embeddings of every other person. Arguments as in `self_reenactment`.
    """
    bootstrap = bootstrap.over(clip.speaker for clip in clips)
    measured, control = _motion_metrics(), _motion_metrics()
    to_source, to_others = IdentitySimilarity(), IdentitySimilarity()
    to_driver, source_to_driver = IdentitySimilarity(), IdentitySimilarity()
    sources = measure(
        instrument,
        torch.stack([clip.source() for clip in clips]),
        batch_size=batch_size,
    ).identity
    for index, clip in enumerate(track(clips)):
        driver_index = other_person(clips, index)
        driver = clips[driver_index]
        indices = driver.scored_indices(stride=frame_stride)
        result = reenact(autoencoder, clip.source(), driver.images(indices), batch_size=batch_size)
        seen = measure(instrument, result, batch_size=batch_size)
        _compare(measured, seen.pose, seen.mouth[:, 0], driver, indices)
        with _one_unit(control):
            for other in unrelated(clips, driver_index):
                common = indices[indices < len(clips[other].pose)]
                kept = len(common)
                _compare(
                    control,
                    seen.pose[:kept],
                    seen.mouth[:kept, 0],
                    clips[other],
                    common,
                )
        to_source.update(seen.identity, sources[index])
        to_driver.update(seen.identity, sources[driver_index])
        source_to_driver.update(sources[index][None], sources[driver_index])
        with to_others.one_unit():
            for other, stranger in enumerate(clips):
                if stranger.speaker != clip.speaker:
                    to_others.update(seen.identity, sources[other])
    split = clips[0].split
    rows = [
        bootstrap.row(
            metric=f"cross_reenactment/{name}",
            measured=metric,
            control=control[name],
            control_name="random drivers (every other clip)",
            split=split,
            unit="r" if name == "mouth_correlation" else "deg",
            note="re-measured from the result, against the driver's label",
        )
        for name, metric in measured.items()
    ]
    identity = (
        (
            "identity_similarity",
            to_source,
            to_others,
            "another identity: all other people",
            True,
        ),
        (
            "identity_to_driver",
            to_driver,
            source_to_driver,
            "source against driver",
            False,
        ),
    )
    rows += [
        bootstrap.row(
            metric=f"cross_reenactment/{name}",
            measured=metric,
            control=beside,
            control_name=control_name,
            split=split,
            unit="cosine",
            higher_is_better=is_better,
            note="embedding of the result against one picture of the person",
        )
        for name, metric, beside, control_name, is_better in identity
    ]
    return rows


@contextmanager
def _one_unit(metrics: dict[str, ClipMetric]) -> Iterator[None]:
    with ExitStack() as stack:
        for metric in metrics.values():
            stack.enter_context(metric.one_unit())
        yield


def _compare(
    metrics: dict[str, ClipMetric],
    pose: Tensor,
    mouth: Tensor,
    clip: EvaluationClip,
    indices: Tensor,
) -> None:
    """Adds measured pose `t 6` and mouth opening `t` against the labels of a clip's frames."""
    for name, metric in metrics.items():
        if name == "mouth_correlation":
            metric.update(mouth, clip.mouth[indices, 0])
        else:
            metric.update(pose, clip.pose[indices])
