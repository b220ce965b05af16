"""Motion of any length by sliding windows (VASA-1 sec. 3.3).

The audio is cut into windows of W frames, generated one after another, each given the last K
frames of motion and audio of the one before. Shapes: t frames, m motion, f audio features.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vasa.data.order import step_generator
from vasa.diffusion.guidance import guided_x0
from vasa.diffusion.sampler import DDIMSampler
from vasa.models.conditions import Conditions
from vasa.models.motion_transformer import MotionTransformer


@dataclass(frozen=True, kw_only=True)
class MotionControls:
    """What the user may ask of the motion; None: left to the model.

    Attributes:
        gaze: main gaze theta, phi in rad; the default is forward.
        distance: head distance over the mean distance; "mean" is that of the training split.
        emotion: weights of the eight emotions.
    """

    gaze: tuple[float, float] | None = (0.0, 0.0)
    distance: float | None | str = "mean"
    emotion: tuple[float, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class MotionSettings:
    """How motion is sampled.

    Attributes:
        guidance: lambda of each condition by name (VASA-1 eq. 2).
        sampler: a sampler of `vasa.diffusion.sampler` over the model's schedule.
        seed: of the noise; window i draws from (seed, i).
        controls: gaze, distance, emotion.
    """

    guidance: Mapping[str, float]
    sampler: DDIMSampler
    seed: int
    controls: MotionControls = field(default_factory=MotionControls)


@torch.inference_mode()
def generate_motion(model: MotionTransformer, audio: Tensor, settings: MotionSettings) -> Tensor:
    """Motion for a whole clip.

    Args:
        model: H.
        audio: audio features of the clip, `t f`.
        settings: how to sample.

    Returns:
        [z_pose, z_dyn] in their own units, `t m`.
    """
    pieces: list[Tensor] = []
    for index, start in enumerate(range(0, len(audio), model.window)):
        stop = min(start + model.window, len(audio))
        before = None
        if pieces:
            since = start - model.num_previous
            before = (torch.cat(pieces)[since:], audio[since:start])
        pieces.append(_generate_window(model, audio[start:stop], before, index, settings))
    return torch.cat(pieces)


def _generate_window(
    model: MotionTransformer,
    audio: Tensor,
    before: tuple[Tensor, Tensor] | None,
    index: int,
    settings: MotionSettings,
) -> Tensor:
    """Motion of one window; `before` is the motion and the audio of the K frames before it."""
    generator = step_generator(settings.seed, index, "generate-window")
    noise = torch.randn((1, len(audio), model.num_motion), generator=generator).to(audio.device)
    conditions = Conditions(
        audio=audio[None],
        motion_pre=None if before is None else before[0][None],
        audio_pre=None if before is None else before[1][None],
        **_control_tensors(model, settings.controls, audio.device),
    )
    x0 = settings.sampler.sample(
        lambda x_t, t: guided_x0(model, x_t, t, conditions, scales=settings.guidance),
        noise,
        generator,
    )
    return model.denormalise(x0)[0]


def _control_tensors(
    model: MotionTransformer, controls: MotionControls, device: torch.device
) -> dict[str, Tensor]:
    values: dict[str, Tensor] = {}
    if controls.gaze is not None:
        values["gaze"] = torch.tensor([controls.gaze], dtype=torch.float32)
    if controls.distance == "mean":
        values["distance"] = model.distance_scale.mean[None]
    elif controls.distance is not None:
        values["distance"] = torch.tensor([[controls.distance]], dtype=torch.float32)
    if controls.emotion is not None:
        values["emotion"] = torch.tensor([controls.emotion], dtype=torch.float32)
    return {name: value.to(device) for name, value in values.items()}
