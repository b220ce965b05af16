"""The face expert: shapes, units, taps and gradients."""

import pytest
import torch

from vasa.models.face_expert import NUM_TARGETS, FaceExpert, cut_out


@pytest.fixture
def expert() -> FaceExpert:
    torch.manual_seed(0)
    return FaceExpert(
        size=32,
        widths=(8, 16, 16),
        hidden=24,
        identity_dim=12,
        groups=4,
        landmark_channels=8,
        glimpse_widths=(8, 8),
        glimpse_px=8,
    ).eval()


def test_measurements_have_their_shapes(expert):
    found = expert(torch.rand(5, 3, 32, 32))
    assert found.identity.shape == (5, 12)
    assert found.pose.shape == (5, 6)
    assert found.mouth.shape == (5, 2)
    assert found.gaze.shape == (5, 2)
    assert found.blink.shape == (5,)
    assert found.emotion.shape == (5, 8)
    assert found.presence.shape == (5,)
    assert torch.allclose(found.identity.norm(dim=-1), torch.ones(5))


def test_statistics_put_units_back(expert):
    image = torch.rand(4, 3, 32, 32)
    plain = expert.heads(image).targets
    mean, std = torch.arange(NUM_TARGETS).float(), torch.linspace(0.5, 2, NUM_TARGETS)
    expert.set_statistics(mean=mean, std=std)
    found = expert(image)
    face = (found.mouth, found.gaze, found.blink[:, None], found.emotion)
    together = torch.cat((found.pose, *face), dim=1)
    assert torch.allclose(together, plain * std + mean, atol=1e-6)
    assert {"target_mean", "target_std"} <= set(expert.state_dict())


def test_landmarks_are_in_pixels_of_the_picture_given(expert):
    image = torch.rand(2, 3, 48, 96)
    found, heads = expert(image).landmarks, expert.heads(image).landmarks
    assert found.shape == (2, 68, 2)
    torch.testing.assert_close(found, (heads + 1) * torch.tensor([48.0, 24.0]))
    assert (heads.amax() - heads.amin()) > 1e-3


def test_taps_halve_and_carry_gradients(expert):
    image = torch.rand(2, 3, 32, 32, requires_grad=True)
    taps = expert.features(image)
    assert [tap.shape for tap in taps] == [(2, 8, 16, 16), (2, 16, 8, 8), (2, 16, 4, 4)]
    taps[-1].square().sum().backward()
    assert image.grad is not None and image.grad.abs().max() > 0


def test_measuring_is_deterministic_and_row_by_row(expert):
    image = torch.rand(3, 3, 32, 32)
    together = expert(image)
    assert torch.equal(together.pose, expert(image).pose)
    alone = torch.cat([expert(row[None]).pose for row in image])
    assert torch.allclose(together.pose, alone, atol=1e-5)


def test_any_square_size_is_read(expert):
    flat = torch.full((1, 3, 96, 96), 0.25)
    small = torch.full((1, 3, 32, 32), 0.25)
    assert torch.allclose(expert(flat).identity, expert(small).identity, atol=1e-5)


def test_emotion_is_looked_for_at_brows_and_mouth(expert):
    plain = torch.full((1, 3, 32, 32), 0.5)
    drawn = plain.clone()
    drawn[..., 14:18, 14:18] = 1.0
    hidden = torch.zeros(1, 24)
    landmarks = torch.zeros(1, 68, 2)
    landmarks[:, 36:42, 0], landmarks[:, 42:48, 0] = -0.3, 0.3
    looks = [expert._look_closer(image, landmarks, hidden) for image in (plain, drawn)]
    assert (looks[0] - looks[1])[:, 5:].abs().min() > 0
    for glimpse in (expert.brow_glimpse, expert.mouth_glimpse):
        before = expert._look_closer(drawn, landmarks, hidden)
        torch.nn.init.zeros_(glimpse.head.weight)
        after = expert._look_closer(drawn, landmarks, hidden)
        assert (before - after)[:, 5:].abs().min() > 0


def test_cut_out_of_the_whole_is_the_picture():
    image = torch.rand(2, 3, 16, 16)
    centre, across = torch.zeros(2, 2), torch.tensor([[1.0, 0.0]]).expand(2, 2)
    found = cut_out(image, centre=centre, across=across, size=(16, 16), reach=1.0)
    assert torch.allclose(found, image, atol=1e-5)


def test_cut_out_is_upright():
    # the head rolled by a quarter turn clockwise: its x axis points down in the picture
    image = torch.rand(1, 3, 16, 16)
    across = torch.tensor([[0.0, 1.0]])
    found = cut_out(image, centre=torch.zeros(1, 2), across=across, size=(16, 16), reach=1.0)
    assert torch.allclose(found, image.rot90(1, (2, 3)), atol=1e-5)
