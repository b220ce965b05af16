"""What a person looks at beside the numbers: sheets of pictures, curves and clips with sound.

Frames are taken at fixed places of the first clips, so that nothing is picked for its looks.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from einops import rearrange, repeat
from torch import Tensor

from vasa.data.schema import FPS
from vasa.data.video import write_video
from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.counterfactuals import Counterfactuals
from vasa.evaluation.measuring import Instrument, measure
from vasa.evaluation.metrics.correlation import pearson
from vasa.evaluation.protocols.leakage import CODES, encode_person, swapped
from vasa.evaluation.protocols.pairing import other_person
from vasa.evaluation.protocols.reenactment import Autoencoder, reenact, reenact_apart
from vasa.evaluation.tiles import difference, grid, save_png, side_by_side

VIDEO_TILE_PX = 192
STRIP_FRAMES = 8


def driver_frame(clip: EvaluationClip, row: int, num_rows: int) -> Tensor:
    """A driver picture `c h w`: row r of R takes the valid frame at (r + 1) / (R + 1)."""
    valid = clip.valid.nonzero().flatten()
    index = valid[len(valid) * (row + 1) // (num_rows + 1)]
    return clip.images(index[None])[0]


def self_reenactment_sheet(
    path: Path, *, autoencoder: Autoencoder, clips: Sequence[EvaluationClip], num_rows: int
) -> None:
    """source | driver | result | difference, a held-out person a row."""
    rows = []
    for row, clip in enumerate(clips[:num_rows]):
        source, driver = clip.source(), driver_frame(clip, row, num_rows)
        result = reenact(autoencoder, source, driver[None], batch_size=1)[0]
        rows.append([source, driver, result, difference(result, driver)])
    save_png(path, grid(rows, header=["source", "driver", "result", "difference × 4"]))


def cross_reenactment_sheet(
    path: Path, *, autoencoder: Autoencoder, clips: Sequence[EvaluationClip], num_rows: int
) -> None:
    """Sources down, drivers across: one motion on several people and the other way round."""
    chosen = clips[:num_rows]
    drivers = torch.stack(
        [driver_frame(clip, row, len(chosen)) for row, clip in enumerate(reversed(chosen))]
    )
    rows: list[Sequence[Tensor | None]] = [[None, *drivers]]
    for clip in chosen:
        source = clip.source()
        rows.append([source, *reenact(autoencoder, source, drivers, batch_size=len(drivers))])
    save_png(path, grid(rows, header=["source ↓  driver →", *[""] * len(drivers)]))


def swap_sheet(
    path: Path, *, autoencoder: Autoencoder, clips: Sequence[EvaluationClip], num_rows: int
) -> None:
    """source | driver | both | pose only | dynamics only (VASA-1 figure 5)."""
    rows = []
    for row, clip in enumerate(clips[:num_rows]):
        driver = driver_frame(clips[other_person(clips, row)], row, num_rows)
        result = reenact_apart(autoencoder, clip.source(), driver[None], batch_size=1)
        rows.append(
            [clip.source(), driver, result.both[0], result.pose_only[0], result.dynamics_only[0]]
        )
    save_png(
        path,
        grid(rows, header=["source", "driver", "pose + dynamics", "pose only", "dynamics only"]),
    )


def counterfactual_sheet(
    path: Path, *, autoencoder: Autoencoder, person: Counterfactuals, batch_size: int
) -> None:
    """base | one factor changed | base decoded | with each code of it; a factor a row."""
    latents = encode_person(autoencoder, person, batch_size=batch_size)
    decoded = autoencoder.decode(latents["base"])[0]
    rows = []
    for factor, indices in person.changed.items():
        base, changed = person.clip.images(torch.stack((person.bases[0], indices[0])))
        swaps = [
            autoencoder.decode(swapped(latents["base"], latents[factor], code))[0] for code in CODES
        ]
        rows.append([base, changed, decoded, *swaps])
    names = [f"+ {code}" for code in CODES]
    save_png(
        path,
        grid(
            rows,
            header=["base", "one changed", "base decoded", *names],
            labels=list(person.changed),
        ),
    )


def generated_sheet(
    path: Path, *, clips: Sequence[EvaluationClip], videos: Sequence[Tensor], num_rows: int
) -> None:
    """Film strips: real frames above generated ones, at the same times."""
    rows: list[Sequence[Tensor | None]] = []
    times: list[str] = []
    for clip, video in list(zip(clips, videos, strict=True))[: max(1, num_rows // 2)]:
        length = min(len(video), len(clip.frames))
        places = torch.linspace(0, length - 1, STRIP_FRAMES).round().long()
        times = times or [f"{int(place) / FPS:.2f} s" for place in places]
        rows += [list(clip.images(places)), list(video[places].float() / 255)]
    save_png(path, grid(rows, header=times))


def mouth_curves(
    path: Path,
    *,
    instrument: Instrument,
    clips: Sequence[EvaluationClip],
    videos: Sequence[Tensor],
    num_rows: int,
    batch_size: int,
) -> None:
    """Mouth opening over time: truth of the audio, and re-measured from the generated frames."""
    from matplotlib.figure import Figure

    shown = list(zip(clips, videos, strict=True))[: max(1, num_rows // 2)]
    figure = Figure(figsize=(9, 1.9 * len(shown)), dpi=110, layout="constrained")
    axes = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for axis, (clip, video) in zip(axes, shown, strict=True):
        length = min(len(video), len(clip.mouth))
        seen = measure(instrument, video[:length].float() / 255, batch_size=batch_size).mouth[:, 0]
        truth = clip.mouth[:length, 0]
        time = np.arange(length) / FPS
        axis.plot(time, truth, color="#8a8f98", label="truth of the audio")
        axis.plot(time, seen, color="#1f5fa8", label="re-measured from generated frames")
        axis.set_title(
            f"{clip.key}   r = {float(pearson(seen, truth)):.2f}", fontsize=9, loc="left"
        )
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
        axis.set_ylabel("mouth opening", fontsize=8)
    axes[0].legend(fontsize=8, frameon=False, ncols=2, loc="upper right")
    axes[-1].set_xlabel("s", fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    figure.savefig(part, format="png")
    part.replace(path)


def sample_videos(
    folder: Path, *, clips: Sequence[EvaluationClip], videos: Sequence[Tensor], num_videos: int
) -> None:
    """source picture | generated | real, with the sound, a file a clip."""
    for number, (clip, video) in enumerate(list(zip(clips, videos, strict=True))[:num_videos]):
        source = clip.frames[clip.source_index()]
        panels = [
            rearrange(panel, "t c h w -> t h w c").numpy()
            for panel in (repeat(source, "c h w -> t c h w", t=len(video)), video, clip.frames)
        ]
        frames = side_by_side(panels, tile_px=VIDEO_TILE_PX)
        sound = clip.audio.numpy()[: len(frames) * 640]
        write_video(folder / f"{number}.mp4", frames, sound, crf=20)
