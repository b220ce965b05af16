"""The patch discriminator: sizes, what a patch sees, what the norm bounds, saving."""

import pytest
import torch

from vasa.losses.adversarial import discriminator_hinge_loss, generator_hinge_loss
from vasa.losses.feature_matching import feature_matching_loss
from vasa.models.checkpoint import load_model, save_model
from vasa.models.discriminator import MultiScaleDiscriminator, PatchDiscriminator

CONFIG = {"num_scales": 2, "channels": [8, 16, 32, 32]}


def discriminator() -> MultiScaleDiscriminator:
    torch.manual_seed(0)
    return MultiScaleDiscriminator(num_scales=2, channels=[8, 16, 32, 32])


@pytest.mark.parametrize("size", [64, 128, 256])
def test_shapes_at_every_scale(size):
    scores = discriminator()(torch.rand(2, 3, size, size))
    fine, coarse = size // 8, size // 16
    assert [tuple(x.shape) for x in scores.logits] == [(2, 1, fine, fine), (2, 1, coarse, coarse)]
    assert [tuple(x.shape[1:]) for x in scores.features[0]] == [
        (8, size // 2, size // 2),
        (16, size // 4, size // 4),
        (32, size // 8, size // 8),
        (32, size // 8, size // 8),
    ]
    assert len(scores.features) == 2 and len(scores.features[1]) == 4


def test_a_picture_too_small_for_the_scales_is_refused():
    net = MultiScaleDiscriminator(num_scales=3, channels=[4, 4, 4])
    assert net(torch.rand(1, 3, 16, 16)).logits[-1].shape[-1] == 1
    with pytest.raises(ValueError, match="16 px"):
        net(torch.rand(1, 3, 15, 15))


def test_a_patch_is_54_pixels_and_sees_nothing_else():
    net = PatchDiscriminator(channels=[8, 16, 32, 32]).eval()
    picture = torch.rand(1, 3, 128, 128).requires_grad_()
    net(picture)[-1][0, 0, 8, 8].backward()
    assert picture.grad is not None
    rows = picture.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert (rows.min(), rows.max()) == (68 - 27, 68 + 26)  # place 8 of 16 is centred on 68


def test_every_convolution_has_norm_one():
    net = discriminator()
    picture = torch.rand(1, 3, 32, 32)
    for _ in range(30):  # power iteration converges over calls
        net(picture)
    net.eval()
    weights = [m.weight for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(weights) == 10
    for weight in weights:
        norm = torch.linalg.matrix_norm(weight.detach().flatten(1), ord=2)
        assert norm == pytest.approx(1.0, abs=0.02)


def test_evaluation_mode_repeats_itself():
    net = discriminator().eval()
    picture = torch.rand(1, 3, 64, 64)
    first, second = net(picture), net(picture)
    assert all(torch.equal(a, b) for a, b in zip(first.logits, second.logits, strict=True))


def test_saved_and_loaded_it_says_the_same(tmp_path):
    net = discriminator().eval()
    target = "vasa.models.discriminator.MultiScaleDiscriminator"
    loaded = load_model(save_model(net, {"_target_": target, **CONFIG}, tmp_path / "d"))
    picture = torch.rand(1, 3, 64, 64)
    for first, second in zip(net(picture).logits, loaded(picture).logits, strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("how", ["autocast", "cast"])
def test_bfloat16_agrees_with_float32(how):
    net = discriminator().eval()
    picture = torch.rand(2, 3, 64, 64)
    exact = net(picture).logits
    if how == "autocast":
        net.train()  # the power iteration too runs, in float32
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = net(picture).logits
    else:
        rough = net.to(torch.bfloat16)(picture.to(torch.bfloat16)).logits
    for first, second in zip(exact, rough, strict=True):
        assert second.dtype == torch.bfloat16
        assert (first - second.float()).abs().max() < 0.02


def test_gradient_reaches_the_picture_from_both_terms():
    net = discriminator().requires_grad_(False)
    target, result = torch.rand(2, 1, 3, 64, 64)
    for term in ("adversarial", "matching"):
        picture = result.clone().requires_grad_()
        fake, real = net(picture), net(target)
        loss = (
            generator_hinge_loss(fake.logits)
            if term == "adversarial"
            else feature_matching_loss(fake.features, real.features)
        )
        loss.backward()
        assert picture.grad is not None and picture.grad.abs().sum() > 0, term
    same = feature_matching_loss(net.eval()(target).features, net(target).features)
    assert same == 0


def test_it_learns_to_tell_sharp_from_blurred():
    torch.manual_seed(0)
    net = MultiScaleDiscriminator(num_scales=2, channels=[16, 32])
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, betas=(0.5, 0.999))
    for _ in range(60):
        sharp = torch.rand(4, 3, 16, 16)
        blurred = torch.nn.functional.avg_pool2d(sharp, 3, 1, 1, count_include_pad=False)
        loss = discriminator_hinge_loss(net(sharp).logits, net(blurred).logits)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 1.0  # 2 at the start
