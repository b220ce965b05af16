"""The face autoencoder: shapes, one appearance for many motions, and that it can learn."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from vasa.data.augment import colour_jitter, thin_plate_flow
from vasa.geometry.warp import warp_from_canonical
from vasa.models.face_autoencoder import FaceAutoencoder
from vasa.types import FaceLatents

CONF = Path(__file__).parents[3] / "conf" / "model" / "face_tiny.yaml"


def tiny() -> FaceAutoencoder:
    torch.manual_seed(0)
    options = yaml.safe_load(CONF.read_text())
    options.pop("_target_")
    small = {
        "volume_size": [6, 4, 32, 32],
        "volume_fold": 1,
        "appearance_channels": [16],
        "identity_channels": [8, 8],
        "pose_channels": [8, 8],
        "dynamics_channels": [8, 8],
        "warp_channels": [8, 8],
        "warp_size": [2, 8, 8],
        "generator_channels": [16],
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
    model = tiny().eval()
    latents = model.encode(pictures(2))
    assert latents.app_volume.shape == (2, 6, 4 + 1, 32, 32)
    assert latents.z_pose.shape == (2, 6)
    assert latents.z_dyn.shape == (2, 32)
    image = model.decode(latents)
    assert image.shape == (2, 3, 64, 64)
    assert 0 <= image.min() and image.max() <= 1


def test_starts_as_the_picture_it_was_given():
    """Before any training, a face in its own motion is itself, but for the volume's resolution."""
    torch.manual_seed(0)
    options = yaml.safe_load(CONF.read_text())
    options.pop("_target_")
    model = FaceAutoencoder(**options).eval()
    image = pictures(2)
    with torch.no_grad():
        latents = model.encode(image)
        still = torch.zeros_like(latents.z_pose)
        volume = model.canonical_volume(image, z_id=latents.z_id, z_pose=still, z_dyn=latents.z_dyn)
        unmoved = model.decode(
            FaceLatents(app_volume=volume, z_id=latents.z_id, z_pose=still, z_dyn=latents.z_dyn)
        )
    torch.testing.assert_close(unmoved, image, atol=1e-3, rtol=0)


def test_the_still_layer_does_not_move_with_the_head():
    model = tiny().eval()
    with torch.no_grad():
        latents = model.encode(pictures(1))
        volume = latents.app_volume.clone()
        volume[:, :, :-1] = 0
        latents = replace(latents, app_volume=volume)
        turned = latents.with_motion(
            z_pose=torch.tensor([[0.3, 0.1, 0.0, 0.2, 0.0, 0.1]]), z_dyn=latents.z_dyn
        )
        condition = torch.zeros(1, model.to_condition.out_features)
        moved = [
            warp_from_canonical(
                part.app_volume[:, :, :-1], part.z_pose, torch.zeros(1, 3, 4, 32, 32)
            )
            for part in (latents, turned)
        ]
        pictures_of = [
            model.generate(torch.cat((part, volume[:, :, -1:]), dim=2), condition) for part in moved
        ]
    torch.testing.assert_close(pictures_of[0], pictures_of[1])


def test_dynamics_see_the_same_face_wherever_it_is():
    """The frontalised view of a shifted and enlarged picture is the view of the picture."""
    model = tiny().eval()
    axis = (torch.arange(64) + 0.5) / 32 - 1
    smooth = torch.cos(2 * axis)[None, :] * torch.sin(3 * axis)[:, None]
    image = (0.5 + 0.4 * smooth).expand(1, 3, 64, 64)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)[None]
    pose = torch.tensor([[0.0, 0.0, 0.0, 0.1, -0.06, -0.1]])
    shifted = torch.nn.functional.grid_sample(
        image, (grid - pose[:, 3:5]) / pose[0, 5].exp(), align_corners=False
    )
    there = model.dynamics.view(image, torch.zeros(1, 6))
    here = model.dynamics.view(shifted, pose)
    assert there.std() > 0.05
    torch.testing.assert_close(here, there, atol=0.01, rtol=0)


def test_dynamics_know_the_pose_and_leave_it_alone():
    model = tiny()
    view = torch.rand(2, 9, 24, 24)
    pose = torch.zeros(2, 6, requires_grad=True)
    code = model.dynamics(view, pose)
    assert not torch.equal(code, model.dynamics(view, pose + 0.2))
    code.sum().backward()
    assert pose.grad is None


def test_what_noise_would_drown_is_not_said():
    """Soft thresholding: small codes are 0, others keep their differences."""
    model = tiny()
    view, pose = torch.rand(1, 9, 24, 24), torch.zeros(1, 6)
    with torch.no_grad():
        model.dynamics.head.weight.zero_()
        model.dynamics.head.bias.zero_()
        model.dynamics.head.bias[:3] = torch.tensor([0.1, 1.0, -1.0])
        code = model.dynamics(view, pose)[0]
        assert code[0] == 0
        assert code[1] == -code[2]
        model.dynamics.head.bias[1] += 1.0
        assert model.dynamics(view, pose)[0, 1] - code[1] == pytest.approx(4.0)


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
    with pytest.raises(ValueError, match="ends at 64 px.* 128 px"):
        FaceAutoencoder(**(options | {"last_scale": 4}))
    with pytest.raises(ValueError, match="square volume"):
        FaceAutoencoder(**(options | {"volume_size": [6, 6, 64, 32]}))


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
    assert losses[-1] < 0.35 * losses[0]


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
        flow = thin_plate_flow(generator, batch=2, size=16, knots=4, amplitude=0.05)
        return flow, colour_jitter(image, generator, strength=0.5)

    assert all(torch.equal(a, b) for a, b in zip(draw(1), draw(1), strict=True))
    assert not torch.equal(draw(1)[0], draw(2)[0])
    still = colour_jitter(image, torch.Generator().manual_seed(0), strength=0.0)
    torch.testing.assert_close(still, image)
