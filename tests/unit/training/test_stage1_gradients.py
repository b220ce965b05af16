"""Gradients of stage 1's losses: where they go, what they sum up to, how they are clipped."""

from typing import Any

import pytest
import torch
from faceres_twin import registered_twin
from hydra.utils import instantiate
from small_stage1 import ADVERSARY, LEAST, config, train_small, write_inputs
from torch import Tensor, nn

from vasa.cli.random_batches import RandomFaces
from vasa.losses.adversarial import discriminator_hinge_loss
from vasa.training.stage1 import Stage1Module

NOT_PAIRED = {
    "reconstruction": 10.0,
    "squared": 50.0,
    "pose": 1.0,
    "landmarks": 0.5,
    "dynamics": 1.3,
}
"""Weights of the terms that are means over frames."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return write_inputs(tmp_path_factory.mktemp("gradients"))


def module_of(experiment: str, *words: str) -> Stage1Module:
    torch.manual_seed(0)
    return instantiate(config(experiment, *words).module)


def random_batch(size: int, *, people: int = 2) -> dict[str, Tensor]:
    faces = RandomFaces(
        image_size=size, batch_size=people, frames_per_clip=2, seed=0, num_steps=1, num_workers=0
    )
    return faces.batch


def awaken(net: nn.Module) -> None:
    """Draw what starts at zero, as training would leave it: it stops what is behind it."""
    for parameter in net.parameters():
        if parameter.dim() > 1 and not parameter.any():
            nn.init.normal_(parameter, std=0.02)


def silent(net: nn.Module) -> list[str]:
    """Parameters without a gradient, or with one that is 0 or none."""
    return [
        name
        for name, p in net.named_parameters()
        if p.grad is None or not p.grad.any() or not p.grad.isfinite().all()
    ]


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("tiny", 64, []),
        ("small", 128, []),
        ("base", 128, ["model@module.model=face_small"]),  # base's own network takes minutes
    ],
)
def test_a_gradient_reaches_every_parameter_of_the_preset(inputs, name, size, words):
    """Of the real presets: model, read-out and, where there is one, discriminator."""
    module = module_of(f"stage1/{name}", *inputs, *words)
    awaken(module.model)
    first = max(module.adversary.start_step, module.encoder_steps)
    if module.discriminator is not None:
        module.discriminator.requires_grad_(False)
    found = module.losses(random_batch(size), first)
    module.weighted_sum(found.terms, first).backward()
    assert silent(module.model) == []
    assert silent(module.readout) == []
    assert (module.discriminator is None) == (name != "base")
    if module.discriminator is not None:
        assert all(p.grad is None for p in module.discriminator.parameters())
        module.discriminator.requires_grad_(True)
        assert found.result is not None and found.target is not None
        judged = [module.discriminator(x).logits for x in (found.target, found.result.detach())]
        discriminator_hinge_loss(*judged, weights=found.foreground).backward()
        # What moves real and fake alike has none while all of them lie within the margin.
        assert all(name.endswith("judge.bias") for name in silent(module.discriminator))


def test_the_encoders_alone_learn_at_first(inputs):
    module = module_of("stage1/tiny", *inputs)
    module.weighted_sum(module.losses(random_batch(64), 0).terms, 0).backward()
    learning = {
        name.split(".")[0] for name, p in module.model.named_parameters() if p.grad is not None
    }
    assert learning == {"pose", "dynamics"}


def test_warp_regularisers_reach_both_warp_generators_and_the_residual(inputs):
    alone = [
        f"module.weights.{name}=0.0"
        for name in config("stage1/tiny", *inputs).module.weights
        if name != "_target_"
    ]
    for name in ("warp_size", "warp_roughness"):
        module = module_of("stage1/tiny", *inputs, *LEAST, *alone, f"module.weights.{name}=1.0")
        awaken(module.model)
        step = module.encoder_steps
        module.weighted_sum(module.losses(random_batch(64), step).terms, step).backward()
        model = module.model
        assert silent(model.warp_source) == [] and silent(model.warp_driver) == []
        of_field = model.warp_driver.to_field.weight.grad
        assert of_field is not None and (of_field.flatten(1).abs().sum(1) > 0).all(), "all 3 + 4"
        assert model.generate.stages[0][0].conv1.weight.grad is None


def test_another_face_recognition_changes_its_two_terms_alone(inputs, tmp_path):
    """Cross-identity and face features go through it, and their gradient back to the generator."""
    words = [*inputs, *LEAST, "module.weights.face_features=1.0"]
    found = {}
    with registered_twin(tmp_path):
        for name in ("face_expert", "faceres"):
            module = module_of("stage1/tiny", *words, f"module.identity={name}")
            awaken(module.model)
            found[name] = module.losses(random_batch(64), module.encoder_steps).terms
        by_expert, by_faceres = found["face_expert"], found["faceres"]
        assert by_expert.keys() == by_faceres.keys()
        changed = {name for name in by_expert if not torch.equal(by_expert[name], by_faceres[name])}
        assert changed == {"cross_identity", "face_features"}
        for name in changed:
            module.zero_grad()
            by_faceres[name].backward(retain_graph=True)
            assert silent(module.model.generate) == [], name
    assert not any("faceres" in name or "recognition" in name for name in module.state_dict())


def gradients_of_a_step(monkeypatch, inputs, folder, *words: str) -> list[dict[str, Tensor]]:
    """A run's gradients before and after clipping, of each optimiser's first step."""
    kept: list[dict[str, Tensor]] = []
    real = Stage1Module.on_before_optimizer_step

    def hook(self: Stage1Module, optimizer: Any) -> None:
        of_optimizer = {id(p) for group in optimizer.param_groups for p in group["params"]}

        def now() -> dict[str, Tensor]:
            return {
                name: p.grad.clone()
                for name, p in self.named_parameters()
                if p.grad is not None and id(p) in of_optimizer
            }

        kept.append(now())
        real(self, optimizer)
        kept.append(now())

    with monkeypatch.context() as patched:
        patched.setattr(Stage1Module, "on_before_optimizer_step", hook)
        train_small(
            inputs, folder, "max_steps=1", "module.encoder_steps=0", "data.first_steps=0", *words
        )
    return kept


def total_norm(gradients: dict[str, Tensor]) -> float:
    return float(torch.stack([gradient.norm() for gradient in gradients.values()]).norm())


def test_gradients_of_both_optimisers_are_clipped(inputs, tmp_path, monkeypatch):
    words = [*LEAST, *ADVERSARY, "module.adversary.start_step=0", "module.gradient_clip=0.01"]
    kept = gradients_of_a_step(monkeypatch, inputs, tmp_path, *words)
    assert len(kept) == 4
    for before, after in (kept[:2], kept[2:]):
        assert before.keys() == after.keys()
        norm = total_norm(before)
        assert norm > 0.02
        assert total_norm(after) == pytest.approx(0.01, rel=1e-3)
        for name, gradient in before.items():  # the direction stays
            torch.testing.assert_close(after[name], gradient * (0.01 / norm), rtol=1e-3, atol=1e-8)
    assert all(name.startswith("discriminator.") for name in kept[2])


def test_a_batch_in_parts_has_the_gradient_of_the_whole(inputs, tmp_path, monkeypatch):
    """Of terms that are means over frames; augmentation, which each part draws itself, is off."""
    names = [name for name in config("stage1/tiny", *inputs).module.weights if name != "_target_"]
    words = [f"module.weights.{name}={NOT_PAIRED.get(name, 0.0)}" for name in names]
    words += [
        f"module.augmentation.{name}=0.0" for name in ("flow_amplitude", "colour", "pose_noise")
    ]
    words += ["module.augmentation.code_noise=1e-12", *LEAST]
    whole, parts = (
        gradients_of_a_step(
            monkeypatch, inputs, tmp_path / str(num), *words, f"module.micro_batches={num}"
        )[0]
        for num in (1, 2)
    )
    assert whole.keys() == parts.keys() and len(whole) > 50
    assert total_norm(whole) > 0.1
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-3, atol=1e-5, msg=name)
