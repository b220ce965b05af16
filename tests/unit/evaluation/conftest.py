"""A made-up world in which pictures spell out their own labels, so that every score is known.

The first pixels of a frame hold pose, mouth, gaze and blink as 16-bit numbers; the rest is the
person's colour. An oracle network and an oracle instrument read and write those pixels.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vasa.evaluation.clips import EvaluationClip
from vasa.evaluation.results import Bootstrap
from vasa.types import FaceLatents, FaceMeasurements

SIZE = 16
NUM_VALUES = 11  # pose 6, mouth 2, gaze 2, blink 1
EYES_PX = 5.0
FACE_PX = torch.zeros(68, 2)
FACE_PX[45, 0] = EYES_PX


def write_values(frames: Tensor, values: Tensor) -> Tensor:
    """Spells `t 11` numbers of [-1, 1] into pictures `t 3 h w` of [0, 1]."""
    code = ((values.double().clamp(-1, 1) + 1) / 2 * 65535).round().long()
    frames = frames.clone()
    frames[:, 0, 0, :NUM_VALUES] = (code // 256).float() / 255
    frames[:, 1, 0, :NUM_VALUES] = (code % 256).float() / 255
    return frames


def read_values(frames: Tensor) -> Tensor:
    """The numbers spelt in pictures `t 3 h w`, `t 11`."""
    pixels = (frames[:, :2, 0, :NUM_VALUES] * 255).round()
    return (pixels[:, 0] * 256 + pixels[:, 1]) / 65535 * 2 - 1


def colour(person: int) -> Tensor:
    return torch.tensor([(40 + 37 * person) % 256, (200 - 53 * person) % 256, 90.0]) / 255


class OracleNet(nn.Module):
    """Puts the driver's spelt motion on the source's picture: the perfect stage 1."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def motion(self, image: Tensor) -> tuple[Tensor, Tensor]:
        values = read_values(image)
        return values[:, :6], values[:, 6:]

    def encode(self, image: Tensor) -> FaceLatents:
        z_pose, z_dyn = self.motion(image)
        return FaceLatents(
            app_volume=image[:, :, None], z_id=image.mean(dim=(2, 3)), z_pose=z_pose, z_dyn=z_dyn
        )

    def decode(self, latents: FaceLatents) -> Tensor:
        count = len(latents.z_pose)
        image = latents.app_volume[:, :, 0].expand(count, -1, -1, -1)
        return write_values(image, torch.cat((latents.z_pose, latents.z_dyn), dim=1))


class CopyNet(OracleNet):
    """Gives back its source, whatever the driver does."""

    def decode(self, latents: FaceLatents) -> Tensor:
        return latents.app_volume[:, :, 0].expand(len(latents.z_pose), -1, -1, -1)


class MeanFaceNet(OracleNet):
    """Gives everybody the same face, in the driver's pose."""

    def decode(self, latents: FaceLatents) -> Tensor:
        face = torch.full((len(latents.z_pose), 3, SIZE, SIZE), 0.52)
        return write_values(face, torch.cat((latents.z_pose, latents.z_dyn), dim=1))


class AsideNet(OracleNet):
    """Its faces stand aside of where they should."""

    shift = 0.05

    def decode(self, latents: FaceLatents) -> Tensor:
        z_pose = latents.z_pose.clone()
        z_pose[:, 3] += self.shift
        return super().decode(latents.with_motion(z_pose=z_pose, z_dyn=latents.z_dyn))


class NoiseCodeNet(OracleNet):
    """Its dynamics code is noise that knows nothing of the picture."""

    def motion(self, image: Tensor) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(int(image.sum() * 1000) % 2**31)
        return read_values(image)[:, :6], torch.randn(len(image), 5, generator=generator)


def oracle_instrument(image: Tensor) -> FaceMeasurements:
    values = read_values(image)
    identity = nn.functional.normalize(image[:, :, -1, -1] - 0.5, dim=-1)
    return FaceMeasurements(
        identity=identity,
        pose=values[:, :6],
        mouth=values[:, 6:8],
        gaze=values[:, 8:10],
        blink=values[:, 10],
        presence=torch.ones(len(image)),
        landmarks=FACE_PX + SIZE * values[:, None, 3:5],
    )


def make_clip(
    *, person: int, seed: int, num_frames: int = 40, split: str = "test"
) -> EvaluationClip:
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(num_frames, NUM_VALUES)).cumsum(axis=0)
    values = torch.from_numpy(0.4 * np.tanh(steps / 4) + rng.normal(size=NUM_VALUES) * 0.02)
    values[:, 10] = values[:, 10].abs()
    plain = colour(person)[None, :, None, None].expand(num_frames, 3, SIZE, SIZE)
    frames = (write_values(plain, values) * 255).round().to(torch.uint8)
    values = read_values(frames.float() / 255).float()
    landmarks = torch.full((num_frames, 68, 2), 8.0)
    landmarks[:, 48] = torch.tensor([5.0, 10.0])
    landmarks[:, 54] = torch.tensor([11.0, 12.0])
    return EvaluationClip(
        key=f"p{person}/v{seed}/0",
        speaker=f"p{person}",
        sentence_id=seed,
        split=split,
        frames=frames,
        audio=torch.from_numpy(rng.normal(size=640 * num_frames).astype(np.float32)) * 0.1,
        pose=values[:, :6],
        mouth=values[:, 6:8],
        gaze=values[:, 8:10],
        blink=values[:, 10],
        landmarks=landmarks,
        valid=torch.ones(num_frames, dtype=torch.bool),
    )


@pytest.fixture(scope="session")
def world() -> SimpleNamespace:
    """Clips of six people and the fakes that act in it."""
    return SimpleNamespace(
        clips=[make_clip(person=index, seed=index) for index in range(6)],
        make_clip=make_clip,
        oracle=OracleNet(),
        copy=CopyNet(),
        noise=NoiseCodeNet(),
        mean_face=MeanFaceNet(),
        aside=AsideNet(),
        size=SIZE,
        eyes_px=EYES_PX,
        instrument=oracle_instrument,
        write_values=write_values,
        read_values=read_values,
        arguments={
            "bootstrap": Bootstrap(num_resamples=50, seed=0),
            "track": lambda items: items,
        },
    )
