"""The whole generator as the protocols use it: one picture and its audio to frames."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from vasa.diffusion.sampler import make_sampler
from vasa.evaluation.settings import GenerationSettings
from vasa.inference.pipeline import RenderSettings, TalkingFace
from vasa.inference.windows import MotionControls, MotionSettings, chosen_plan
from vasa.types import InputError


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is asked of one video beyond its picture and sound.

    Attributes:
        controls: gaze, distance, emotion.
        guidance: lambda of each condition (VASA-1 eq. 2).
    """

    controls: MotionControls
    guidance: Mapping[str, float]


class Talker(Protocol):
    """Picture `c h w`, audio `n`, seed -> generated frames, uint8 `t c h w`.

    Without a wish the controls are those of `vasa generate`, the guidance that of the evaluation.
    """

    def __call__(
        self, image: Tensor, audio: Tensor, seed: int, /, wish: Wish | None = None
    ) -> Tensor: ...


def load_talker(
    *,
    stage1: Path,
    stage2: Path,
    settings: GenerationSettings,
    batch_size: int,
    device: torch.device,
) -> Talker:
    """The generator of two run folders.

    Raises:
        InputError: a model is missing, stage 2 was trained on another stage 1, or the sampler's
            settings make no sense.
    """
    face = TalkingFace.load(stage1=stage1, stage2=stage2, device=device)
    try:
        sampler = make_sampler(
            name=settings.sampler,
            schedule=face.motion_model.schedule,
            num_steps=settings.steps,
            eta=settings.eta,
        )
        plan = chosen_plan(
            face.motion_model,
            hop_frames=settings.hop_frames,
            lookahead_frames=settings.lookahead_frames,
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    render = RenderSettings(batch_size=batch_size, start_blend_s=settings.start_blend_s)

    plain = Wish(controls=MotionControls(), guidance=settings.guidance)

    def talk(image: Tensor, audio: Tensor, seed: int, /, wish: Wish | None = None) -> Tensor:
        wish = wish or plain
        motion = MotionSettings(
            guidance=wish.guidance,
            sampler=sampler,
            seed=seed,
            controls=wish.controls,
            plan=plan,
        )
        return face.generate(image, audio, motion=motion, render=render)

    return talk
