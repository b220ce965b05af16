"""What stage 2 shows while it trains: motion of a held-out window, predicted and generated."""

import torch
from torch import Tensor

from vasa.data.order import step_generator
from vasa.diffusion.sampler import DDIMSampler
from vasa.models.checkpoint import load_model
from vasa.models.conditions import Conditions
from vasa.models.face_autoencoder import FaceAutoencoder
from vasa.models.motion_transformer import MotionTransformer
from vasa.types import InputError

NUM_SAMPLING_STEPS = 10
"""Of a clip that is made to be looked at."""


def predicted_from_noise(
    model: MotionTransformer, x0: Tensor, conditions: Conditions, *, seed: int
) -> Tensor:
    """x0 predicted at once from pure noise and the conditions, `b t m`, standardised."""
    noise = torch.randn(x0.shape, generator=step_generator(seed, 1, "stage2-val"))
    t = torch.full((len(x0),), model.schedule.num_timesteps, device=x0.device)
    return model(noise.to(x0.device), t, conditions).float()


def generated(model: MotionTransformer, x0: Tensor, conditions: Conditions, *, seed: int) -> Tensor:
    """Motion of a few steps of DDIM without guidance, `b t m`, standardised."""
    sampler = DDIMSampler(schedule=model.schedule, num_steps=NUM_SAMPLING_STEPS, eta=0.0)
    noise = torch.randn(x0.shape, generator=step_generator(seed, 2, "stage2-val")).to(x0.device)
    return sampler.sample(lambda x_t, t: model(x_t, t, conditions).float(), noise, [])


def stage1_of(run: str, device: torch.device) -> FaceAutoencoder:
    """The network that decodes the motion.

    Raises:
        InputError: the run is none of stage 1.
    """
    net = load_model(run)
    if not isinstance(net, FaceAutoencoder):
        raise InputError(f"expected a stage-1 run at {run}, it holds a {type(net).__name__}")
    return net.eval().requires_grad_(False).to(device)
