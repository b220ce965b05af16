"""The whole generator as the protocols use it: one picture and its audio to frames."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from vasa.diffusion.sampler import make_sampler
from vasa.evaluation.settings import GenerationSettings
from vasa.inference.pipeline import RenderSettings, TalkingFace
from vasa.inference.windows import MotionControls, MotionSettings
from vasa.types import InputError

Talker = Callable[[Tensor, Tensor, int], Tensor]
"""Picture `c h w`, audio `n`, seed -> generated frames, uint8 `t c h w`."""


def load_talker(
    *,
    stage1: Path,
    stage2: Path,
    settings: GenerationSettings,
    batch_size: int,
    device: torch.device,
) -> Talker:
    """The generator of two run folders; its controls are those of `vasa generate`.

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
    except ValueError as error:
        raise InputError(str(error)) from error
    render = RenderSettings(batch_size=batch_size, start_blend_s=settings.start_blend_s)

    def talk(image: Tensor, audio: Tensor, seed: int) -> Tensor:
        motion = MotionSettings(
            guidance=settings.guidance, sampler=sampler, seed=seed, controls=MotionControls()
        )
        return face.generate(image, audio, motion=motion, render=render)

    return talk
