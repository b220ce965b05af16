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
from vasa.evaluation.control_sweep import Asked, SweepReadings
from vasa.evaluation.counterfactuals import Counterfactuals
from vasa.evaluation.face_grids import (
    People,
    cross_reenactment_grid,
    encode_people,
    frontalisation_grid,
    self_reenactment_grid,
    swap_grid,
)
from vasa.evaluation.measuring import ReadVideo
from vasa.evaluation.metrics.correlation import pearson
from vasa.evaluation.protocols.leakage import CODES, encode_person, swapped
from vasa.evaluation.protocols.pairing import other_person
from vasa.evaluation.protocols.reenactment import Autoencoder
from vasa.evaluation.tiles import VIDEO_TILE_PX, grid, save_png, side_by_side
from vasa.evaluation.warp_pictures import warp_grid
from vasa.models.face_autoencoder import FaceAutoencoder

STRIP_FRAMES = 8
CONTROL_SOURCES = 2


def driver_frame(clip: EvaluationClip, row: int, num_rows: int) -> Tensor:
    """A driver picture `c h w`: row r of R takes the valid frame at (r + 1) / (R + 1)."""
    valid = clip.valid.nonzero().flatten()
    index = valid[len(valid) * (row + 1) // (num_rows + 1)]
    return clip.images(index[None])[0]


def _people(
    autoencoder: Autoencoder, clips: Sequence[EvaluationClip], drivers: Sequence[Tensor]
) -> People:
    sources = torch.stack([clip.source() for clip in clips])
    return encode_people(autoencoder, sources=sources, drivers=torch.stack(list(drivers)))


def self_reenactment_sheet(
    path: Path, *, autoencoder: Autoencoder, clips: Sequence[EvaluationClip], num_rows: int
) -> None:
    """source | driver | result | difference, a held-out person a row."""
    chosen = clips[:num_rows]
    drivers = [driver_frame(clip, row, num_rows) for row, clip in enumerate(chosen)]
    save_png(path, self_reenactment_grid(autoencoder, _people(autoencoder, chosen, drivers)))


def cross_reenactment_sheet(
    path: Path, *, autoencoder: Autoencoder, clips: Sequence[EvaluationClip], num_rows: int
) -> None:
    """Sources down, drivers across: one motion on several people and the other way round."""
    chosen = clips[:num_rows]
    drivers = [driver_frame(clip, row, len(chosen)) for row, clip in enumerate(reversed(chosen))]
    save_png(path, cross_reenactment_grid(autoencoder, _people(autoencoder, chosen, drivers)))


def swap_sheet(
    path: Path, *, autoencoder: Autoencoder, clips: Sequence[EvaluationClip], num_rows: int
) -> None:
    """source | driver | both | pose only | dynamics only (VASA-1 figure 5)."""
    chosen = clips[:num_rows]
    save_png(path, swap_grid(autoencoder, _people(autoencoder, chosen, _others(clips, num_rows))))


def frontalisation_sheet(
    path: Path, *, autoencoder: Autoencoder, clips: Sequence[EvaluationClip], num_rows: int
) -> None:
    """source | turned to fixed yaws and pitches, with its own dynamics."""
    chosen = clips[:num_rows]
    people = _people(autoencoder, chosen, [clip.source() for clip in chosen])
    save_png(path, frontalisation_grid(autoencoder, people))


def warp_sheet(
    path: Path, *, autoencoder: FaceAutoencoder, clips: Sequence[EvaluationClip], num_rows: int
) -> None:
    """How the driver's non-rigid warp moves each face; the pictures go where the network is."""
    chosen, device = clips[:num_rows], autoencoder.lift.radii.device
    people = encode_people(
        autoencoder,
        sources=torch.stack([clip.source() for clip in chosen]).to(device),
        drivers=torch.stack(_others(clips, num_rows)).to(device),
    )
    save_png(path, warp_grid(autoencoder, people))


def _others(clips: Sequence[EvaluationClip], num_rows: int) -> list[Tensor]:
    """A frame of another person for each of the first clips."""
    return [
        driver_frame(clips[other_person(clips, row)], row, num_rows)
        for row in range(len(clips[:num_rows]))
    ]


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


def control_sheet(path: Path, *, asked: Sequence[Asked], sources: Sequence[SweepReadings]) -> None:
    """A control a row, an asked value a column, and two sources of each (VASA-1 figure 3)."""
    rows: list[list[Tensor | None]] = []
    labels: list[list[str]] = []
    for control in dict.fromkeys(one.control for one in asked):
        places = [place for place, one in enumerate(asked) if one.control == control]
        for number, source in enumerate(sources[:CONTROL_SOURCES]):
            rows.append([source.pictures[place].float() / 255 for place in places])
            words = [asked[place].label for place in places]
            words[0] = f"{control} {words[0]}"
            labels.append(words if number == 0 else [])
    save_png(path, grid(rows, header=(), labels=labels))


def mouth_curves(
    path: Path,
    *,
    read: ReadVideo,
    clips: Sequence[EvaluationClip],
    videos: Sequence[Tensor],
    num_rows: int,
) -> None:
    """Mouth opening over time: truth of the audio, and re-measured from the generated frames."""
    from matplotlib.figure import Figure

    shown = list(zip(clips, videos, strict=True))[: max(1, num_rows // 2)]
    figure = Figure(figsize=(9, 1.9 * len(shown)), dpi=110, layout="constrained")
    axes = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for axis, (clip, video) in zip(axes, shown, strict=True):
        length = min(len(video), len(clip.mouth))
        seen = read(video).mouth[:length, 0]
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
        write_video(folder / f"{number}.mp4", frames, clip.audio.numpy(), crf=20)
