"""What results of no use score in self-reenactment: the scale for reading the trained network's.

usage: python experiments/001-real-clips/levels.py DATA [README]

DATA holds the prepared shards; VASA_WEIGHTS the frozen experts. Each made-up result goes through
the protocol and the clips of `evaluation=real`; the table is put between the README's `levels`
marks. No network is trained or loaded.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from einops import rearrange
from torch import Tensor
from torch.nn.functional import interpolate

from vasa.evaluation.clips import EvaluationClip, load_clips
from vasa.evaluation.measuring import PerceptualScale
from vasa.evaluation.protocols.self_reenactment import self_reenactment
from vasa.evaluation.report.marks import put_between
from vasa.evaluation.results import Bootstrap
from vasa.pretrained.measure import FaceMeasure
from vasa.pretrained.perceptual import make_perceptual
from vasa.types import FaceLatents

ROOT = Path(__file__).resolve().parents[2]

SIZE = 64
METRICS = (
    *("psnr", "ssim", "perceptual", "landmark_nme"),
    *("identity_similarity", "identity_to_others"),
)


class MadeUp:
    """Draws source and driver pictures `b c h w` into a result, in the place of stage 1."""

    def __init__(self, draw: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.draw = draw

    def motion(self, image: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros(len(image), 6), rearrange(image, "b c h w -> b (c h w)")

    def encode(self, image: Tensor) -> FaceLatents:
        z_pose, z_dyn = self.motion(image)
        return FaceLatents(
            app_volume=image[:, :, None], z_id=z_dyn[:, :1], z_pose=z_pose, z_dyn=z_dyn
        )

    def decode(self, latents: FaceLatents) -> Tensor:
        drivers = rearrange(latents.z_dyn, "b (c h w) -> b c h w", c=3, h=SIZE)
        return self.draw(latents.app_volume[:, :, 0].expand_as(drivers), drivers)


def _blurred(pictures: Tensor, factor: int) -> Tensor:
    small = interpolate(pictures, scale_factor=1 / factor, mode="area")
    return interpolate(small, size=pictures.shape[-2:], mode="bilinear")


def made_up(clips: list[EvaluationClip]) -> dict[str, MadeUp]:
    """Results of which nothing is to be expected, by what they are."""
    sources = torch.stack([clip.source() for clip in clips])

    def stranger(source: Tensor, driver: Tensor) -> Tensor:
        own = int((sources - source[0]).abs().flatten(1).sum(dim=1).argmin())
        other = next(i for i, clip in enumerate(clips) if clip.speaker != clips[own].speaker)
        return sources[other].expand_as(driver)

    return {
        "the driver's own frame": MadeUp(lambda source, driver: driver),
        "… one pixel aside": MadeUp(lambda source, driver: driver.roll(1, dims=-1)),
        "… blurred (a quarter of the pixels a side)": MadeUp(
            lambda source, driver: _blurred(driver, 4)
        ),
        "copying the source frame": MadeUp(lambda source, driver: source),
        "another person's picture": MadeUp(stranger),
        "the mean of all source pictures": MadeUp(
            lambda source, driver: sources.mean(dim=0).expand_as(driver)
        ),
    }


def table(data: Path) -> str:
    """A row a made-up result, a column a metric."""
    config = yaml.safe_load((ROOT / "conf/evaluation/synth.yaml").read_text())
    config |= yaml.safe_load((ROOT / "conf/evaluation/real.yaml").read_text())
    chosen = {name: config[name] for name in ("split", "num_clips", "max_seconds")}
    clips = list(load_clips(data, image_size_px=SIZE, **chosen))
    name = config["perceptual"]
    scale = PerceptualScale(
        name=name,
        network=make_perceptual(name),
        device=torch.device("cpu"),
        is_in_loss=False,
    )
    instrument = FaceMeasure()
    lines = [
        f"| result | {' | '.join(f'`{name}`' for name in METRICS)} |",
        f"|{' --- |' * (len(METRICS) + 1)}",
    ]
    for what, net in made_up(clips).items():
        with torch.inference_mode():
            rows = self_reenactment(
                autoencoder=net,
                instrument=instrument,
                clips=clips,
                frame_stride=config["frame_stride"],
                mouth_margin=config["mouth_margin"],
                perceptual=scale,
                batch_size=config["batch_size"],
                bootstrap=Bootstrap(num_resamples=10, seed=0),
                track=lambda items: items,
            )
        values = {row.metric.split("/")[1]: row.value for row in rows}
        lines.append(f"| {what} | {' | '.join(f'{values[name]:.3f}' for name in METRICS)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    readme = Path(sys.argv[2]) if len(sys.argv) == 3 else Path(__file__).with_name("README.md")
    put_between(readme, "levels", table(Path(sys.argv[1])))
