"""Self-reenactment: a clip's first frame driven by the clip's other frames.

Source and driver are one person, so the driver itself is the picture to be met (MegaPortraits
sec. 4). The control copies the source: whatever it scores is no merit of the network.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from einops import repeat
from torch import Tensor

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.measuring import Instrument, LpipsScale, PerceptualScale, measure
from vasa.evaluation.metrics.clip_metric import ClipMetric
from vasa.evaluation.metrics.correlation import ClipCorrelation
from vasa.evaluation.metrics.identity import IdentitySimilarity
from vasa.evaluation.metrics.image import Psnr, Ssim, mouth_mask
from vasa.evaluation.metrics.landmarks import LandmarkNme
from vasa.evaluation.metrics.lpips import LpipsDistance
from vasa.evaluation.metrics.perceptual import PerceptualDistance
from vasa.evaluation.metrics.pose import PoseError
from vasa.evaluation.protocols.pairing import unrelated
from vasa.evaluation.protocols.reenactment import Autoencoder, reenact
from vasa.evaluation.results import Bootstrap, ResultRow
from vasa.types import FaceMeasurements

COPY = "copying the source frame"
IF_THERE_ARE_ANY = ("landmark_nme", "identity_to_others")
"""Rows that need landmarks of the instrument, or clips of more than one person."""


@dataclass(frozen=True, kw_only=True)
class _Score:
    """A row in the making: the metric, its control, and what is said of them."""

    measured: ClipMetric
    control: ClipMetric
    control_name: str = COPY
    unit: str = ""
    note: str
    higher_is_better: bool | None = None

    @staticmethod
    def of(kind: Callable[[], ClipMetric], **said: Any) -> "_Score":
        """A metric and another one of its kind as the control."""
        return _Score(measured=kind(), control=kind(), **said)


def self_reenactment(
    *,
    autoencoder: Autoencoder,
    instrument: Instrument,
    clips: Sequence[EvaluationClip],
    frame_stride: int,
    mouth_margin: float,
    perceptual: PerceptualScale | LpipsScale | None,
    batch_size: int,
    bootstrap: Bootstrap,
    track: Callable[[Iterable], Iterable],
) -> list[ResultRow]:
    """Pictures against the driver's; pose, mouth, landmarks and identity measured again.

    Landmarks and identity are read off result and driver by one instrument, so that its own bias
    falls out. Identity is that of the driver's frame, frame by frame (Zakharov et al. 2019's CSIM);
    how near the result comes to other people stands beside it, since a blurred face is near to all.

    Args:
        autoencoder: stage 1.
        instrument: the measuring expert.
        clips: held-out clips.
        frame_stride: every so many frames are driven.
        mouth_margin: of the mouth box around the lip landmarks, as a share of the lips' width.
        perceptual: network of the perceptual distance, or LPIPS; None leaves that row out.
        batch_size: frames at once.
        bootstrap: how intervals are made.
        track: wraps the loop over clips (a progress bar).
    """
    bootstrap = bootstrap.over(clip.speaker for clip in clips)
    scores = _picture_scores(mouth_margin, perceptual, batch_size) | _measured_scores()
    sources = [measure(instrument, clip.source()[None], batch_size=1) for clip in clips]
    for index, clip in enumerate(track(clips)):
        indices = clip.scored_indices(stride=frame_stride)
        target, source = clip.images(indices), clip.source()
        result = reenact(autoencoder, source, target, batch_size=batch_size)
        copy = repeat(source, "c h w -> t c h w", t=len(target))
        height, width = target.shape[-2:]
        lips = mouth_mask(clip.landmarks[indices], height=height, width=width, margin=mouth_margin)
        for name in ("psnr", "ssim", "perceptual", "lpips"):
            if name in scores:
                scores[name].measured.update(result, target)
                scores[name].control.update(copy, target)
        scores["psnr_mouth"].measured.update(result, target, lips)
        scores["psnr_mouth"].control.update(copy, target, lips)
        seen = measure(instrument, result, batch_size=batch_size)
        driver = measure(instrument, target, batch_size=batch_size)
        _compare(scores, seen, driver, sources[index], clip, indices)
        with scores["mouth_correlation"].control.one_unit():
            for other in unrelated(clips, index):
                common = indices[indices < len(clips[other].mouth)]
                scores["mouth_correlation"].control.update(
                    seen.mouth[: len(common), 0], clips[other].mouth[common, 0]
                )
        near = scores["identity_to_others"]
        with near.measured.one_unit(), near.control.one_unit():
            for stranger, of_stranger in zip(clips, sources, strict=True):
                if stranger.speaker != clip.speaker:
                    near.measured.update(seen.identity, of_stranger.identity[0])
                    near.control.update(driver.identity, of_stranger.identity[0])
    return [
        bootstrap.row(
            metric=f"self_reenactment/{name}",
            measured=score.measured,
            control=score.control,
            control_name=score.control_name,
            split=clips[0].split,
            unit=score.unit,
            note=score.note,
            higher_is_better=score.higher_is_better,
        )
        for name, score in scores.items()
        if score.measured.num_scored or name not in IF_THERE_ARE_ANY
    ]


def _compare(
    scores: dict[str, _Score],
    seen: FaceMeasurements,
    driver: FaceMeasurements,
    source: FaceMeasurements,
    clip: EvaluationClip,
    indices: Tensor,
) -> None:
    """Adds what was measured of a clip's result, driver frames and source picture (one row)."""
    num_frames = len(indices)
    scores["pose_error"].measured.update(seen.pose, clip.pose[indices])
    scores["pose_error"].control.update(source.pose.expand(num_frames, -1), clip.pose[indices])
    scores["mouth_correlation"].measured.update(seen.mouth[:, 0], clip.mouth[indices, 0])
    if seen.landmarks is not None and source.landmarks is not None:
        still = source.landmarks.expand(num_frames, -1, -1)
        scores["landmark_nme"].measured.update(seen.landmarks, driver.landmarks)
        scores["landmark_nme"].control.update(still, driver.landmarks)
    same = scores["identity_similarity"]
    same.measured.update(seen.identity, driver.identity)
    same.control.update(source.identity.expand(num_frames, -1), driver.identity)


def _picture_scores(
    mouth_margin: float, perceptual: PerceptualScale | LpipsScale | None, batch_size: int
) -> dict[str, _Score]:
    """What compares pixels or features of the pictures."""
    box = f"box of the lip landmarks plus {mouth_margin:g} of the lips' width"
    scores = {
        "psnr": _Score.of(Psnr, unit="dB", note="mean of frame PSNRs, source frame left out"),
        "psnr_mouth": _Score.of(Psnr, unit="dB", note=box),
        "ssim": _Score.of(Ssim, note="Gaussian window 11, sigma 1.5"),
    }
    if isinstance(perceptual, LpipsScale):
        scores["lpips"] = _Score.of(
            lambda: LpipsDistance(distance=perceptual, batch_size=batch_size),
            note=f"LPIPS v0.1 (Zhang et al. 2018) by {perceptual.name.removeprefix('lpips_')}, "
            "mean over frames",
        )
    elif perceptual is not None:
        used = "; the training loss looked through it too" if perceptual.is_in_loss else ""
        scores["perceptual"] = _Score.of(
            lambda: PerceptualDistance(features=perceptual, batch_size=batch_size),
            note=f"perceptual({perceptual.name}), which is not LPIPS{used}",
        )
    return scores


def _measured_scores() -> dict[str, _Score]:
    """What the instrument reads off the result again."""
    return {
        "pose_error": _Score.of(
            PoseError, unit="deg", note="re-measured from the result, against the shard's label"
        ),
        "landmark_nme": _Score.of(
            LandmarkNme,
            unit="%",
            note="68 landmarks of result and driver frame by one detector, over the driver's "
            "distance of the outer eye corners",
        ),
        "mouth_correlation": _Score.of(
            ClipCorrelation,
            control_name="mouth opening of every other clip",
            unit="r",
            note="mouth opening re-measured from the result, against the shard's label",
        ),
        "identity_similarity": _Score.of(
            IdentitySimilarity,
            unit="cosine",
            note="embedding of the result against that of the driver's frame; other people's "
            "level: identity_to_others",
        ),
        "identity_to_others": _Score.of(
            IdentitySimilarity,
            control_name="the driver's own frames",
            unit="cosine",
            note="embedding of the result against the source pictures of all other people; above "
            "the control: drawn towards a mean face",
            higher_is_better=False,
        ),
    }
