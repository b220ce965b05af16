"""Self-reenactment: a clip's first frame driven by the clip's other frames.

Source and driver are one person, so the driver itself is the picture to be met (MegaPortraits
sec. 4). The control copies the source: whatever it scores is no merit of the network.
"""

from collections.abc import Callable, Iterable, Sequence

from einops import repeat

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.measuring import Instrument, measure
from vasa.evaluation.metrics.correlation import ClipCorrelation
from vasa.evaluation.metrics.image import Psnr, Ssim, mouth_mask
from vasa.evaluation.metrics.pose import PoseError
from vasa.evaluation.protocols.pairing import unrelated
from vasa.evaluation.protocols.reenactment import Autoencoder, reenact
from vasa.evaluation.results import Bootstrap, ResultRow

COPY = "copying the source frame"


def self_reenactment(
    *,
    autoencoder: Autoencoder,
    instrument: Instrument,
    clips: Sequence[EvaluationClip],
    frame_stride: int,
    mouth_margin: float,
    batch_size: int,
    bootstrap: Bootstrap,
    track: Callable[[Iterable], Iterable],
) -> list[ResultRow]:
    """PSNR, SSIM and mouth PSNR against the driver; pose and mouth re-measured from the result.

    Args:
        autoencoder: stage 1.
        instrument: the measuring expert.
        clips: held-out clips.
        frame_stride: every so many frames are driven.
        mouth_margin: of the mouth box around the lip landmarks, as a share of the lips' width.
        batch_size: frames at once.
        bootstrap: how intervals are made.
        track: wraps the loop over clips (a progress bar).
    """
    psnr, psnr_copy = Psnr(), Psnr()
    psnr_mouth, psnr_mouth_copy = Psnr(), Psnr()
    ssim, ssim_copy = Ssim(), Ssim()
    pose, pose_copy = PoseError(), PoseError()
    mouth, mouth_other = ClipCorrelation(), ClipCorrelation()
    for index, clip in enumerate(track(clips)):
        indices = clip.scored_indices(stride=frame_stride)
        target, source = clip.images(indices), clip.source()
        result = reenact(autoencoder, source, target, batch_size=batch_size)
        copy = repeat(source, "c h w -> t c h w", t=len(target))
        height, width = target.shape[-2:]
        lips = mouth_mask(clip.landmarks[indices], height=height, width=width, margin=mouth_margin)
        psnr.update(result, target)
        psnr_copy.update(copy, target)
        psnr_mouth.update(result, target, lips)
        psnr_mouth_copy.update(copy, target, lips)
        ssim.update(result, target)
        ssim_copy.update(copy, target)
        seen = measure(instrument, result, batch_size=batch_size)
        source_pose = measure(instrument, source[None], batch_size=1).pose
        pose.update(seen.pose, clip.pose[indices])
        pose_copy.update(source_pose.expand(len(indices), -1), clip.pose[indices])
        mouth.update(seen.mouth[:, 0], clip.mouth[indices, 0])
        with mouth_other.one_unit():
            for other in unrelated(clips, index):
                common = indices[indices < len(clips[other].mouth)]
                mouth_other.update(seen.mouth[: len(common), 0], clips[other].mouth[common, 0])
    split = clips[0].split
    mouth_note = f"box of the lip landmarks plus {mouth_margin:g} of the lips' width"
    rows = (
        (
            "psnr",
            psnr,
            psnr_copy,
            COPY,
            "dB",
            "mean of frame PSNRs, source frame left out",
        ),
        ("psnr_mouth", psnr_mouth, psnr_mouth_copy, COPY, "dB", mouth_note),
        ("ssim", ssim, ssim_copy, COPY, "", "Gaussian window 11, sigma 1.5"),
        (
            "pose_error",
            pose,
            pose_copy,
            COPY,
            "deg",
            "re-measured from the result, against the shard's label",
        ),
        (
            "mouth_correlation",
            mouth,
            mouth_other,
            "mouth opening of every other clip",
            "r",
            "mouth opening re-measured from the result, against the shard's label",
        ),
    )
    return [
        bootstrap.row(
            metric=f"self_reenactment/{name}",
            measured=measured,
            control=control,
            control_name=control_name,
            split=split,
            unit=unit,
            note=note,
        )
        for name, measured, control, control_name, unit, note in rows
    ]
