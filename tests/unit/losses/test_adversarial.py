"""The adversarial game in closed form."""

import pytest
import torch

from vasa.losses.adversarial import discriminator_hinge_loss, generator_hinge_loss
from vasa.losses.feature_matching import feature_matching_loss


def maps(*values: float) -> list[torch.Tensor]:
    """A constant logit map for each scale, each half of the one before."""
    return [torch.full((2, 1, 8 >> k, 8 >> k), value) for k, value in enumerate(values)]


def half_face(foreground: float, background: float) -> torch.Tensor:
    """Weights of a picture whose left half is the face."""
    weights = torch.full((2, 1, 32, 32), background)
    weights[..., :16] = foreground
    return weights


@pytest.mark.parametrize(
    ("real", "fake", "loss"),
    [
        (0.0, 0.0, 2.0),  # says nothing
        (1.0, -1.0, 0.0),  # sure by the margin
        (5.0, -7.0, 0.0),  # surer earns nothing
        (-1.0, 0.5, 3.5),  # wrong: (1 + 1) + (1 + 0.5)
    ],
)
def test_discriminator_hinge_at_known_logits(real, fake, loss):
    assert discriminator_hinge_loss(maps(real, real), maps(fake, fake)) == loss


def test_scales_count_alike_whatever_their_size():
    loss = discriminator_hinge_loss(maps(1.0, 0.0), maps(-1.0, -1.0))
    assert loss == pytest.approx(0.5)  # 0 at the fine scale, 1 at the coarse one
    assert generator_hinge_loss(maps(3.0, -1.0)) == pytest.approx(-1.0)


def test_the_two_sides_pull_apart():
    fake = [value.requires_grad_() for value in maps(0.2, 0.2)]
    generator_hinge_loss(fake).backward()
    for_generator = [value.grad.clone() for value in fake]
    for value in fake:
        value.grad = None
    discriminator_hinge_loss(maps(0.2, 0.2), fake).backward()
    for own, other in zip(for_generator, fake, strict=True):
        assert (own < 0).all() and (other.grad > 0).all()


def test_background_patches_do_not_count_under_a_mask():
    fake = maps(0.0, 0.0)
    for value in fake:
        value[..., value.shape[-1] // 2 :] = 10.0
    assert generator_hinge_loss(fake, weights=half_face(1.0, 0.0)) == 0
    assert generator_hinge_loss(fake, weights=half_face(0.3, 0.3)) == pytest.approx(-5.0)
    assert discriminator_hinge_loss(maps(1.0, 1.0), fake, weights=half_face(1.0, 0.0)) == 1.0


def test_other_numbers_of_scales_are_a_mistake():
    with pytest.raises(AssertionError):
        discriminator_hinge_loss(maps(0.0), maps(0.0, 0.0))


def test_feature_matching_is_a_mean_over_scales_and_layers():
    real = [[torch.zeros(1, 4, 8, 8), torch.zeros(1, 2, 4, 4)], [torch.zeros(1, 4, 4, 4)]]
    fake = [[torch.full((1, 4, 8, 8), 2.0), torch.full((1, 2, 4, 4), -4.0)], real[1]]
    assert feature_matching_loss(fake, real) == pytest.approx(((2 + 4) / 2 + 0) / 2)
    assert feature_matching_loss(real, real) == 0


def test_feature_matching_moves_the_result_alone():
    fake, real = (torch.rand(1, 4, 8, 8).requires_grad_() for _ in range(2))
    feature_matching_loss([[fake]], [[real]]).backward()
    assert fake.grad is not None and fake.grad.abs().sum() > 0
    assert real.grad is None


def test_feature_matching_under_a_mask_sees_the_foreground():
    real = torch.zeros(2, 3, 8, 8)
    fake = real.clone()
    fake[..., 4:] = 1.0
    assert feature_matching_loss([[fake]], [[real]], weights=half_face(1.0, 0.0)) == 0
    assert feature_matching_loss([[fake]], [[real]], weights=half_face(1.0, 0.25)) == 0.2
