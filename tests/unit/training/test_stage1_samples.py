"""Each of stage 1's samples shows what its name says."""

import math
import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from vasa.cli.paths import conf_dir
from vasa.evaluation.face_grids import YAWS_DEG, decode_as, encode_people, frontalisation_grid
from vasa.evaluation.tiles import GAP_PX, HEADER_PX, TILE_PX
from vasa.evaluation.warp_pictures import (
    checkerboard,
    depth_colours,
    direction_colours,
    meshed,
    seen_head,
)
from vasa.geometry.warp import identity_grid, warp_from_canonical
from vasa.models.face_autoencoder import FaceAutoencoder
from vasa.training.stage1_samples import stage1_samples
from vasa.types import FaceLatents

NAMES = {
    *("self_reenactment", "cross_reenactment", "pose_only", "dynamics_only"),
    *("frontalisation", "warp_field"),
}
RADII = torch.tensor((0.6, 0.85, 0.65))


class ColourNet:
    """A picture's red is its pose, its green its dynamics, its blue who it is; decoded likewise."""

    def __init__(self) -> None:
        self.decoded: list[FaceLatents] = []
        self.lift = SimpleNamespace(radii=RADII)

    def motion(self, image: Tensor) -> tuple[Tensor, Tensor]:
        red, green, _ = image.mean(dim=(2, 3)).unbind(1)
        return red[:, None] * torch.arange(1, 7) / 6, green[:, None]

    def encode(self, image: Tensor) -> FaceLatents:
        z_pose, z_dyn = self.motion(image)
        blue = image.mean(dim=(2, 3))[:, 2:]
        return FaceLatents(
            app_volume=blue[..., None, None, None], z_id=blue, z_pose=z_pose, z_dyn=z_dyn
        )

    def decode(self, latents: FaceLatents) -> Tensor:
        self.decoded.append(latents)
        count = len(latents.z_pose)
        colour = (latents.z_pose[:, 5], latents.z_dyn[:, 0], latents.z_id[:, 0].expand(count))
        return torch.stack(colour, dim=1)[..., None, None].expand(-1, -1, 8, 8)

    def warp_driver(self, z_dyn: Tensor, z_id: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros(len(z_dyn), 3, 2, 4, 4), torch.zeros(len(z_dyn), 0, 2, 4, 4)


def plain(count: int, *, first: float) -> Tensor:
    """One-coloured pictures of different colours, `b 3 8 8`."""
    colours = first + torch.arange(3 * count).reshape(count, 3) / (12 * count)
    return colours[..., None, None].expand(-1, -1, 8, 8).contiguous()


def tile(sheet: Tensor, row: int, column: int) -> list[float]:
    """The colour in the middle of a tile."""
    y = HEADER_PX + GAP_PX + row * (TILE_PX + GAP_PX) + TILE_PX // 2
    x = GAP_PX + column * (TILE_PX + GAP_PX) + TILE_PX // 2
    return sheet[:, y, x].tolist()


@pytest.fixture(scope="module")
def coloured():
    net = ColourNet()
    sources, drivers = plain(8, first=0.1), plain(8, first=0.5)
    sheets = stage1_samples(net, sources=sources, drivers=drivers)  # type: ignore[arg-type]
    return SimpleNamespace(
        sheets=sheets, source=sources[:, :, 0, 0].tolist(), driver=drivers[:, :, 0, 0].tolist()
    )


def test_pictures_of_a_network_are_of_the_right_shape_and_touch_nothing():
    options = yaml.safe_load((Path(conf_dir()) / "model" / "face_tiny.yaml").read_text())
    options.pop("_target_")
    torch.manual_seed(0)
    net = FaceAutoencoder(**options).eval()
    images = torch.rand(2, 4, 3, 64, 64)
    weights = {name: value.clone() for name, value in net.state_dict().items()}
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[index]
    found = stage1_samples(net, sources=images[0], drivers=images[1])
    assert set(found) == NAMES
    for name, picture in found.items():
        assert picture.ndim == 3 and picture.shape[0] == 3, name
        assert picture.min() >= 0 and picture.max() <= 1, name
        assert not picture.requires_grad
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == np.random.get_state()[1].tolist()  # type: ignore[index]
    assert states[2] == random.getstate()
    assert all(torch.equal(weights[name], value) for name, value in net.state_dict().items())
    assert not net.training


def test_self_reenactment_takes_both_from_the_own_driver(coloured):
    sheet = coloured.sheets["self_reenactment"]
    for row in range(4):
        source, driver = coloured.source[row], coloured.driver[row]
        result = [driver[0], driver[1], source[2]]
        assert tile(sheet, row, 0) == pytest.approx(source, abs=0.01)
        assert tile(sheet, row, 1) == pytest.approx(driver, abs=0.01)
        assert tile(sheet, row, 2) == pytest.approx(result, abs=0.01)
        off = min(1.0, 4 * abs(result[2] - driver[2]))
        assert tile(sheet, row, 3) == pytest.approx([0, 0, off], abs=0.01)


def test_cross_reenactment_has_sources_down_and_other_people_across(coloured):
    sheet = coloured.sheets["cross_reenactment"]
    for row in range(4):
        source = coloured.source[row]
        assert tile(sheet, row + 1, 0) == pytest.approx(source, abs=0.01)
        for column in range(4):
            driver = coloured.driver[4 + column]
            assert tile(sheet, 0, column + 1) == pytest.approx(driver, abs=0.01)
            result = [driver[0], driver[1], source[2]]
            assert tile(sheet, row + 1, column + 1) == pytest.approx(result, abs=0.01)


def test_pose_only_and_dynamics_only_take_one_code_of_another_person(coloured):
    for row in range(4):
        source, driver = coloured.source[row], coloured.driver[row + 1]
        sheet = coloured.sheets["pose_only"]
        assert tile(sheet, row, 1) == pytest.approx(driver, abs=0.01)
        assert tile(sheet, row, 2) == pytest.approx([driver[0], *source[1:]], abs=0.01)
        sheet = coloured.sheets["dynamics_only"]
        assert tile(sheet, row, 2) == pytest.approx([source[0], driver[1], source[2]], abs=0.01)


def test_frontalisation_turns_to_zero_and_keeps_the_rest():
    net = ColourNet()
    people = encode_people(net, sources=plain(3, first=0.1), drivers=plain(3, first=0.5))
    frontalisation_grid(net, people)
    assert len(net.decoded) == 3
    for latents, person in zip(net.decoded, people.latents, strict=True):
        middle = YAWS_DEG.index(0.0)
        assert latents.z_pose[middle, :3].tolist() == [0, 0, 0]
        yaws = latents.z_pose[: len(YAWS_DEG), 0]
        assert yaws.tolist() == pytest.approx([math.radians(yaw) for yaw in YAWS_DEG])
        placement = people.sources[:, 0].mean() * torch.tensor((4, 5, 6)) / 6
        assert torch.allclose(latents.z_pose[:, 3:], placement)
        assert torch.equal(latents.z_dyn, person.z_dyn.expand(len(latents.z_pose), -1))


def test_one_person_alone_can_be_drawn():
    net = ColourNet()
    one = plain(1, first=0.2)
    assert set(stage1_samples(net, sources=one, drivers=one)) == NAMES  # type: ignore[arg-type]
    latents = net.encode(one)
    assert decode_as(net, latents, torch.zeros(3, 6), latents.z_dyn).shape == (3, 3, 8, 8)


def test_no_warp_is_drawn_as_none():
    still, pose = torch.zeros(1, 3, 2, 4, 4), torch.zeros(1, 6)
    head = seen_head(still, pose, radii=RADII, size_px=40)
    grid = identity_grid(1, 40, 40, device=pose.device)[:, 0, ..., :2]
    assert torch.allclose(head.places[head.is_head], grid[head.is_head], atol=1e-5)
    inside = (grid / RADII[:2]).norm(dim=-1) < 1
    assert torch.equal(head.is_head, inside)
    assert (direction_colours(head.motion[:, :2]) == 1).all()
    assert (depth_colours(head.motion[:, 2]) == 1).all()


def test_colours_say_which_way_things_go():
    """Reading from the right moves what is seen to the left; -z is towards the viewer."""
    offsets = torch.tensor((0.1, 0.0, 0.05)).view(1, 3, 1, 1, 1).expand(-1, -1, 2, 4, 4)
    head = seen_head(offsets, torch.zeros(1, 6), radii=RADII, size_px=40)
    middle = head.motion[0, :, 20, 20]
    assert middle.tolist() == pytest.approx([-0.1, 0.0, -0.05], abs=1e-5)
    red, green, blue = direction_colours(head.motion[:, :2])[0, :, 20, 20].tolist()
    assert red < 0.1 and green > 0.9 and blue > 0.9  # left is cyan, opposite to red
    red, _, blue = depth_colours(head.motion[:, 2])[0, :, 20, 20].tolist()
    assert red > blue + 0.2


def test_the_head_is_seen_as_the_volume_warp_moves_it():
    """The places that a posed volume of coordinates has on the head are those that are drawn."""
    torch.manual_seed(0)
    offsets = 0.08 * torch.randn(1, 3, 2, 4, 4)
    pose = torch.tensor([[0.3, -0.15, 0.1, 0.05, -0.04, 0.05]])
    coordinates = identity_grid(64, 64, 64, device=pose.device).permute(0, 4, 1, 2, 3)
    offsets = torch.nn.functional.interpolate(offsets, (64, 64, 64), mode="trilinear")
    shown = warp_from_canonical(coordinates, pose, offsets)[0]
    outside = (shown / RADII[:, None, None, None]).norm(dim=0) > 1
    first = outside.int().argmin(dim=0)  # the first plane inside
    expected = shown.gather(1, first.expand(3, 1, 64, 64))[:2, 0].permute(1, 2, 0)
    head = seen_head(offsets, pose, radii=RADII, size_px=64)
    y, x = (head.is_head[0] & (first > 0)).nonzero().T
    far_in = (expected[y, x] / RADII[:2]).norm(dim=-1) < 0.8
    error = (head.places[0, y, x] - expected[y, x]).norm(dim=-1)[far_in]
    assert far_in.sum() > 400
    assert error.quantile(0.95) < 0.03
    unmoved = seen_head(torch.zeros_like(offsets), pose, radii=RADII, size_px=64)
    other = (unmoved.places[0, y, x] - expected[y, x]).norm(dim=-1)[far_in]
    assert other.median() > 2 * error.quantile(0.95)


def test_checkerboard_and_mesh_follow_the_head():
    still = torch.zeros(1, 3, 2, 4, 4)
    boards, meshes = [], []
    for shift in (0.0, 0.2):
        pose = torch.tensor([[0, 0, 0, shift, 0, 0]])
        head = seen_head(still, pose, radii=RADII, size_px=40)
        boards.append(checkerboard(head))
        meshes.append(meshed(torch.full((1, 3, 20, 20), 0.5), head))
    moved_px = 4  # 0.2 half pictures of 40 px
    for before, after in (boards, meshes):
        assert torch.allclose(before[..., :-moved_px], after[..., moved_px:], atol=1e-3)
        assert len(before.unique()) > 2
