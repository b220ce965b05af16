"""Stage 1 at every size: what the presets promise, and what must hold of each of them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch import Tensor, nn

from vasa.geometry.warp import warp_from_canonical, warp_to_canonical
from vasa.inference.rendering import check_compiler
from vasa.models.blocks import ResBlock
from vasa.models.face_autoencoder import FaceAutoencoder
from vasa.models.face_cost import blank_latents
from vasa.models.generator import ImageGenerator, VolumeRefiner
from vasa.models.warp_generator import WarpGenerator
from vasa.types import FaceLatents, InputError

CONF = Path(__file__).parents[3] / "conf"
# preset: side of the picture, volume c d h w, z_id, z_dyn
SIZES = {
    "tiny": (64, (6, 8, 64, 64), 64, 32),
    "small": (128, (32, 16, 32, 32), 128, 128),
    "base": (256, (96, 16, 64, 64), 512, 256),
    "paper": (512, (96, 16, 64, 64), 512, 512),
}


def options(name: str) -> dict[str, Any]:
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        cfg = compose(overrides=[f"+model@_global_=face_{name}"])
    found: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    assert found.pop("_target_") == "vasa.models.face_autoencoder.FaceAutoencoder"
    return found


def preset(name: str, *, device: str = "cpu", **changes: Any) -> FaceAutoencoder:
    torch.manual_seed(0)
    with torch.device(device):
        return FaceAutoencoder(**(options(name) | changes))


def awake(net: FaceAutoencoder) -> FaceAutoencoder:
    """The network with what starts at zero drawn at random, as training would leave it."""
    for parameter in net.parameters():
        if parameter.dim() > 1 and not parameter.any():
            nn.init.normal_(parameter, std=0.02)
    return net


def moved(net: FaceAutoencoder, *, num_motions: int = 1) -> FaceLatents:
    """A face's latents drawn at random, smooth in space as a face is, in some motions."""
    generator = torch.Generator().manual_seed(1)
    latents = blank_latents(net, num_motions=num_motions)
    coarse = torch.rand(1, latents.app_volume.shape[1], 2, 5, 5, generator=generator)
    latents.app_volume.copy_(
        nn.functional.interpolate(coarse, latents.app_volume.shape[2:], mode="trilinear")
    )
    latents.z_id.normal_(generator=generator)
    latents.z_dyn.normal_(generator=generator)
    latents.z_pose.normal_(std=0.1, generator=generator)
    return latents


@pytest.mark.parametrize("name", SIZES)
def test_preset_has_the_sizes_it_promises(name: str) -> None:
    side, volume, z_id_dim, z_dyn_dim = SIZES[name]
    net = preset(name, device="meta").eval()
    channels, depth, height, width = volume
    with torch.no_grad():
        latents = net.encode(torch.empty(1, 3, side, side, device="meta"))
        z_pose, z_dyn = torch.empty(3, 6, device="meta"), torch.empty(3, z_dyn_dim, device="meta")
        drawn = net.decode(latents.with_motion(z_pose=z_pose, z_dyn=z_dyn))
    assert latents.app_volume.shape == (1, channels, depth + 1, height, width)
    assert latents.z_id.shape == (1, z_id_dim)
    assert latents.z_pose.shape == (1, 6)
    assert latents.z_dyn.shape == (1, z_dyn_dim)
    assert drawn.shape == (3, 3, side, side)


@pytest.mark.parametrize("name", SIZES)
def test_no_motion_leaves_the_volume_as_it_is(name: str) -> None:
    """Before training a warp generator moves nothing, whatever the code; nor does a zero pose."""
    chosen = options(name)
    torch.manual_seed(0)
    warp = WarpGenerator(
        channels=chosen["warp_channels"],
        field_size=chosen["warp_size"],
        start_depth=chosen.get("warp_start_depth") or chosen["warp_size"][0],
        z_dyn_dim=8,
        z_id_dim=8,
        condition_dim=8,
        max_offset=chosen["max_offset"],
        residual_channels=4,
    )
    with torch.no_grad():
        offsets, residual = warp(torch.randn(1, 8), torch.randn(1, 8))
    assert list(offsets.shape) == [1, 3, *chosen["warp_size"]]
    volume, pose = torch.randn(1, 5, *SIZES[name][1][1:]), torch.zeros(1, 6)
    from_canonical = warp_from_canonical(volume, pose, offsets, residual)
    torch.testing.assert_close(from_canonical, volume, atol=1e-4, rtol=0)
    torch.testing.assert_close(warp_to_canonical(volume, pose, offsets), volume, atol=1e-4, rtol=0)
    nodded = torch.tensor([[0.0, 0.2, 0.0, 0.0, 0.0, 0.0]])
    assert (warp_to_canonical(volume, nodded, offsets) - volume).abs().mean() > 0.1


def test_a_gradient_reaches_every_parameter_at_small_size() -> None:
    net = awake(preset("small"))
    image = torch.rand(2, 3, 128, 128)
    net(image[:1], image[1:]).square().mean().backward()
    silent = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []
    assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)


def test_a_source_is_encoded_once_and_only_warped_and_drawn_after() -> None:
    net = preset("tiny").eval()
    entered: list[str] = []
    for name, part in net.named_children():
        part.register_forward_pre_hook(lambda *_, name=name: entered.append(name))
    with torch.no_grad():
        source = net.encode(torch.rand(1, 3, 64, 64))
        assert {"appearance", "identity", "pose", "dynamics", "lift", "refine"} <= set(entered)
        entered.clear()
        motion = moved(net, num_motions=5)
        net.decode(source.with_motion(z_pose=motion.z_pose, z_dyn=motion.z_dyn))
    assert sorted(entered) == ["generate", "to_condition", "warp_driver"]


def test_keeping_less_for_the_gradient_changes_no_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []
    plain = ResBlock._residual

    def counted(block: ResBlock, x: Tensor, condition: Tensor | None) -> Tensor:
        calls.append(1)
        return plain(block, x, condition)

    monkeypatch.setattr(ResBlock, "_residual", counted)
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    found = []
    for is_checkpointed in (False, True):
        net = awake(preset("tiny", is_checkpointed=is_checkpointed))
        calls.clear()
        net(image, image.flip(0)).square().mean().backward()
        gradients = {n: p.grad for n, p in net.named_parameters() if p.grad is not None}
        found.append((gradients, len(calls)))
    (kept, kept_calls), (again, again_calls) = found
    assert kept.keys() == again.keys()
    for name, gradient in kept.items():
        torch.testing.assert_close(again[name], gradient, rtol=0, atol=0, msg=name)
    assert again_calls == 2 * kept_calls > 0


def test_nothing_is_computed_twice_without_a_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a checkpoint without a gradient to compute")

    monkeypatch.setattr("vasa.models.blocks.checkpoint", refuse)
    net = preset("tiny", is_checkpointed=True).eval()
    with torch.no_grad():
        net.decode(moved(net))
    with pytest.raises(AssertionError, match="without a gradient"):
        net.decode(moved(net))


@pytest.mark.parametrize("name", ["tiny", "small"])
def test_bfloat16_draws_nearly_the_same_picture(name: str) -> None:
    """A mean difference of under a level of 255, and nowhere one that is seen."""
    net = awake(preset(name)).eval()
    latents = moved(net, num_motions=2)
    with torch.no_grad():
        full = net.decode(latents)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = net.decode(latents)
    difference = (half.float() - full).abs()
    assert full.std() > 0.05
    assert 0 < difference.mean() < 1 / 255
    assert difference.max() < 8 / 255


class _Decode(nn.Module):
    """`decode` with tensors for arguments, as the exporter wants it."""

    def __init__(self, net: FaceAutoencoder) -> None:
        super().__init__()
        self.net = net

    def forward(self, app_volume: Tensor, z_id: Tensor, z_pose: Tensor, z_dyn: Tensor) -> Tensor:
        return self.net.decode(
            FaceLatents(app_volume=app_volume, z_id=z_id, z_pose=z_pose, z_dyn=z_dyn)
        )


def test_decode_is_one_graph_without_branches_on_its_data() -> None:
    net = awake(preset("tiny")).eval()
    first = moved(net, num_motions=2)
    arguments = (first.app_volume, first.z_id, first.z_pose, first.z_dyn)
    with torch.no_grad():
        program = torch.export.export(_Decode(net), arguments)
        other = tuple(value.flip(0) * 0.5 for value in arguments)
        torch.testing.assert_close(program.module()(*other), _Decode(net)(*other))


def parts_of(given: FaceLatents | tuple[Tensor, ...] | Tensor) -> list[Tensor]:
    if isinstance(given, FaceLatents):
        return [given.app_volume, given.z_id, given.z_pose, given.z_dyn]
    return [given] if isinstance(given, Tensor) else list(given)


@pytest.mark.parametrize("name", ["encode", "motion", "decode"])
def test_what_inference_calls_is_one_graph_that_agrees_with_eager(name: str) -> None:
    """Through torch.compile without a break, up to the building of kernels."""
    net = awake(preset("tiny")).eval()
    generator = torch.Generator().manual_seed(4)
    coarse = torch.rand(2, 3, 8, 8, generator=generator)
    image = nn.functional.interpolate(coarse, (64, 64), mode="bilinear")
    given = moved(net, num_motions=2) if name == "decode" else image
    eager = getattr(net, name)
    torch._dynamo.reset()
    compiled = torch.compile(eager, fullgraph=True, dynamic=False, backend="aot_eager")
    with torch.no_grad():
        found, wanted = parts_of(compiled(given)), parts_of(eager(given))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_built_kernels_draw_as_eager_does_and_are_built_once() -> None:
    """What `render.compile=true` runs: kernels for this processor, for other motions, too."""
    try:
        check_compiler(torch.device("cpu"))
    except InputError as error:
        pytest.skip(str(error))
    net = awake(preset("tiny")).eval()
    latents = moved(net, num_motions=2)
    torch._dynamo.reset()
    compiled = torch.compile(net.decode, fullgraph=True, dynamic=False)
    with torch.no_grad():
        torch.testing.assert_close(compiled(latents), net.decode(latents), atol=1e-4, rtol=1e-4)
        other = latents.with_motion(z_pose=latents.z_pose + 0.1, z_dyn=latents.z_dyn.flip(0))
        with torch._dynamo.config.patch(error_on_recompile=True):
            torch.testing.assert_close(compiled(other), net.decode(other), atol=1e-4, rtol=1e-4)


def test_small_overfits_one_batch() -> None:
    """One face in two motions, each read off its own picture: both pictures are learned."""
    net = preset("small").train()
    coarse = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(4))
    images = nn.functional.interpolate(coarse, (net.image_size,) * 2, mode="bilinear")
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    losses, apart = [], []
    for _ in range(20):
        z_pose, z_dyn = net.motion(images)
        drawn = net.decode(net.encode(images[:1]).with_motion(z_pose=z_pose, z_dyn=z_dyn))
        loss = (drawn - images).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        apart.append((drawn[0] - drawn[1]).abs().mean().item())
    assert losses[-1] < 0.55 * losses[0]
    assert apart[-1] > 0.6 * (images[0] - images[1]).abs().mean()


@pytest.mark.parametrize(("scale", "coarser"), [(1, [8, 12]), (2, []), (2, [8])])
def test_refiner_starts_as_nothing_and_sees_far_through_its_coarser_levels(
    scale: int, coarser: list[int]
) -> None:
    torch.manual_seed(0)
    refine = VolumeRefiner(channels=4, hidden=8, coarser=coarser, scale=scale)
    volume = torch.randn(1, 4, 8, 16, 16)
    with torch.no_grad():
        assert torch.equal(refine(volume), volume)
    nn.init.normal_(refine.leave.weight)
    change = refine(volume) - volume
    assert change.shape == volume.shape
    change.square().mean().backward()
    assert [n for n, p in refine.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_generator_has_as_many_blocks_a_stage_as_it_is_told() -> None:
    net = preset("paper", device="meta")
    assert isinstance(net.generate, ImageGenerator)
    stages = [len(list(stage.children())) for stage in net.generate.stages]
    assert stages == options("paper")["generator_blocks"]
    assert stages[0] == 8, "MegaPortraits: 8 blocks at the volume's size"


@pytest.mark.parametrize("start", [3, 5, 16])
def test_a_warp_field_that_cannot_be_reached_is_refused(start: int) -> None:
    with pytest.raises(ValueError, match="warp_start_depth"):
        preset("small", device="meta", warp_start_depth=start)


def test_a_warp_field_grows_in_depth_at_most_once_a_stage() -> None:
    with pytest.raises(ValueError, match="at most 2 doublings"):
        preset("small", device="meta", warp_start_depth=1, warp_size=[8, 16, 16])
