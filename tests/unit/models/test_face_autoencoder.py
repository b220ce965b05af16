"""The face autoencoder: shapes, one appearance for many motions, and that it can learn."""

from pathlib import Path

import pytest
import torch
import yaml

from vasa.data.augment import colour_jitter, smooth_flow
from vasa.models.face_autoencoder import FaceAutoencoder

CONF = Path(__file__).parents[3] / "conf" / "model" / "face_tiny.yaml"


def tiny() -> FaceAutoencoder:
    torch.manual_seed(0)
    options = yaml.safe_load(CONF.read_text())
    options.pop("_target_")
    small = {
        "appearance_channels": [16, 16],
        "identity_channels": [8, 8],
        "pose_channels": [8, 8],
        "dynamics_channels": [8, 8],
        "warp_channels": [8, 8],
        "generator_channels": [24, 16],
        "refine_channels": 8,
    }
    return FaceAutoencoder(**(options | small))


def pictures(count: int) -> torch.Tensor:
    """Coloured discs on a ground, in different places."""
    generator = torch.Generator().manual_seed(3)
    axis = (torch.arange(64) + 0.5) / 32 - 1
    centre = torch.rand(count, 2, 1, 1, generator=generator) - 0.5
    inside = (axis[None, None, :] - centre[:, 0]) ** 2 + (axis[None, :, None] - centre[:, 1]) ** 2
    colour = torch.rand(count, 3, 1, 1, generator=generator)
    return colour * (inside < 0.2)[:, None] + (1 - colour) * 0.3


def test_shapes_and_ranges():
    model = tiny()
    latents = model.encode(pictures(2))
    assert latents.app_volume.shape == (2, 8, 8, 16, 16)
    assert latents.z_pose.shape == (2, 6)
    assert latents.z_dyn.shape == (2, 32)
    image = model.decode(latents)
    assert image.shape == (2, 3, 64, 64)
    assert 0 <= image.min() and image.max() <= 1


def test_one_appearance_serves_many_motions():
    model = tiny().eval()
    source, drivers = pictures(1), pictures(5)
    with torch.no_grad():
        z_pose, z_dyn = model.motion(drivers)
        latents = model.encode(source)
        together = model.decode(latents.with_motion(z_pose=z_pose, z_dyn=z_dyn))
        for index in range(5):
            alone = model(source, drivers[index : index + 1])
            torch.testing.assert_close(together[index], alone[0], atol=1e-4, rtol=0)


def test_motion_equals_encode():
    model = tiny().eval()
    with torch.no_grad():
        latents = model.encode(pictures(3))
        z_pose, z_dyn = model.motion(pictures(3))
    torch.testing.assert_close(latents.z_pose, z_pose)
    torch.testing.assert_close(latents.z_dyn, z_dyn)


def test_sizes_that_do_not_fit_are_refused():
    options = yaml.safe_load(CONF.read_text())
    options.pop("_target_")
    with pytest.raises(ValueError, match="ends at 64 px"):
        FaceAutoencoder(**(options | {"last_scale": 4}))
    with pytest.raises(ValueError, match="these stages end at"):
        FaceAutoencoder(**(options | {"stem_stride": 1}))


def test_overfits_one_batch():
    """The pose encoder rests: discs have no pose, and nothing here would supervise it."""
    model = tiny()
    model.pose.requires_grad_(False)
    source = pictures(4)
    driver = source.roll(5, dims=-1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.5, 0.99))
    losses = []
    for _ in range(120):
        loss = (model(source, driver) - driver).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.25 * losses[0]


def test_every_parameter_gets_a_gradient():
    """All but the pose encoder, whose head starts nearly at zero, and none is left out of it."""
    model = tiny()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    model(pictures(2), pictures(2).flip(0)).square().mean().backward()
    missing = [name for name, p in model.named_parameters() if p.grad is None]
    assert missing == []


def test_augmentation_is_a_function_of_its_generator():
    image = pictures(2)

    def draw(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        flow = smooth_flow(generator, batch=2, size=16, knots=4, amplitude=0.05)
        return flow, colour_jitter(image, generator, strength=0.5)

    assert all(torch.equal(a, b) for a, b in zip(draw(1), draw(1), strict=True))
    assert not torch.equal(draw(1)[0], draw(2)[0])
    still = colour_jitter(image, torch.Generator().manual_seed(0), strength=0.0)
    torch.testing.assert_close(still, image)
