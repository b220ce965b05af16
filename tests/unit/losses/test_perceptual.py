"""The perceptual distance: unchanged by default, per layer, under weights."""

import pytest
import torch
import torch.nn.functional as F

from vasa.losses.perceptual import perceptual_loss


def features(image: torch.Tensor) -> list[torch.Tensor]:
    """Edges, as fine as the picture and at half of it."""
    maps = []
    for x in (image, F.avg_pool2d(image, 2)):
        maps.append(torch.cat((x.diff(dim=-1)[..., :-1, :], x.diff(dim=-2)[..., :-1]), dim=1))
    return maps


def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    first = torch.rand(2, 3, 32, 32, generator=generator)
    return first, torch.rand(2, 3, 32, 32, generator=generator)


def first_form(result: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The loss as it was before layers and places had weights."""
    with torch.no_grad():
        wanted = features(target)
    distances = [
        F.l1_loss(found.float(), aim.float()) / aim.float().abs().mean().clamp(min=1e-6)
        for found, aim in zip(features(result), wanted, strict=True)
    ]
    return torch.stack(distances).mean()


def test_present_callers_get_the_same_bits():
    result, target = pictures()
    gradients = []
    for loss in (perceptual_loss(result.requires_grad_(), target, features), None):
        loss = first_form(result, target) if loss is None else loss
        gradients.append((loss.detach(), *torch.autograd.grad(loss, result)))
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_equal_pictures_are_at_no_distance_under_any_weights():
    target = pictures()[1]
    weights = torch.rand(2, 1, 16, 16)
    for is_relative in (True, False):
        assert (
            perceptual_loss(
                target,
                target,
                features,
                layer_weights=[1.0, 3.0],
                weights=weights,
                is_relative=is_relative,
            )
            == 0
        )


def test_layers_are_a_weighted_mean():
    result, target = pictures()
    fine, coarse = (
        perceptual_loss(result, target, features, layer_weights=one) for one in ([2, 0], [0, 5])
    )
    both = perceptual_loss(result, target, features, layer_weights=[1, 3])
    torch.testing.assert_close(both, (fine + 3 * coarse) / 4)
    torch.testing.assert_close(perceptual_loss(result, target, features), (fine + coarse) / 2)
    with pytest.raises(AssertionError, match="3 layer weights for 2"):
        perceptual_loss(result, target, features, layer_weights=[1, 1, 1])


def test_the_papers_form_is_a_plain_l1():
    result, target = pictures()
    plain = perceptual_loss(result, target, features, is_relative=False)
    wanted = [(a - b).abs().mean() for a, b in zip(features(result), features(target), strict=True)]
    torch.testing.assert_close(plain, (wanted[0] + wanted[1]) / 2)
    twice = perceptual_loss(2 * result, 2 * target, features, is_relative=False)
    torch.testing.assert_close(twice, 2 * plain)
    torch.testing.assert_close(
        perceptual_loss(2 * result, 2 * target, features),
        perceptual_loss(result, target, features),
    )


def test_background_does_not_count_under_a_mask():
    result, target = pictures()
    mask = torch.zeros(2, 1, 32, 32)
    mask[..., :16] = 1
    result[..., :20] = target[..., :20]
    result.requires_grad_()
    assert perceptual_loss(result, target, features, weights=mask) == 0
    assert perceptual_loss(result, target, features, weights=mask + 0.1) > 0.01
    result, target = pictures()
    torch.testing.assert_close(
        perceptual_loss(result, target, features, weights=torch.full((2, 1, 7, 7), 0.3)),
        perceptual_loss(result, target, features),
    )


def test_a_loud_background_does_not_shrink_the_unit():
    result, target = pictures()
    mask = torch.zeros(2, 1, 32, 32)
    mask[..., :16] = 1
    before = perceptual_loss(result, target, features, weights=mask)
    for picture in (result, target):
        picture[..., 20:] *= 50
    torch.testing.assert_close(perceptual_loss(result, target, features, weights=mask), before)


def test_blur_raises_the_distance_and_the_gradient_reaches_the_picture():
    target = pictures()[1]
    losses = [
        perceptual_loss(
            F.avg_pool2d(target, size, 1, size // 2, count_include_pad=False), target, features
        )
        for size in (1, 3, 7)
    ]
    assert losses[0] == 0 < losses[1] < losses[2]
    result = pictures()[0].requires_grad_()
    other = target.clone().requires_grad_()
    perceptual_loss(result, other, features, weights=torch.rand(2, 1, 8, 8)).backward()
    assert result.grad is not None and result.grad.abs().sum() > 0
    assert other.grad is None
