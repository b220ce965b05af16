"""The counted cost: against a count by hand, its growth with motions, and the budget it keeps."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch.utils.flop_counter import FlopCounterMode

from vasa.models.face_autoencoder import FaceAutoencoder
from vasa.models.face_cost import blank_latents, face_cost

CONF = Path(__file__).parents[3] / "conf"


def preset(name: str) -> FaceAutoencoder:
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        cfg = compose(overrides=[f"+model@_global_=face_{name}"])
    options = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(options, dict)
    options.pop("_target_")
    with torch.device("meta"):
        return FaceAutoencoder(**options)  # type: ignore[arg-type]


def operations(net: FaceAutoencoder, *, num_motions: int) -> int:
    """What decoding takes, counted by another road than `face_cost`."""
    counter = FlopCounterMode(display=False)
    net.requires_grad_(False)
    with counter:
        net.decode(blank_latents(net, num_motions=num_motions))
    return counter.get_total_flops()


def test_agrees_with_a_count_by_hand() -> None:
    net = preset("tiny")
    cost = face_cost(net)
    # the warps' grids (rotations of points, 3 x 3 each) are products too, of no part
    channels, side = 48, 32
    project = (6 * 9 + 4) * 4 * channels
    blocks = 2 * 2 * channels**2 * 9
    last = channels * 16 * 4 * 9
    at_full_size = 20 * 16 * 9 + 16 * 3 * 9
    condition = 4 * 64 * 2 * channels
    places = side**2
    by_hand = 2 * (places * (project + blocks + last) + 4 * places * at_full_size + condition)
    assert cost.decode_gflop["generate"] == pytest.approx(by_hand / 1e9, rel=1e-9)
    assert cost.parameters["generate"] == sum(p.numel() for p in net.generate.parameters())
    # the volume at 8 x 64 x 64 places and the fields of 7 channels at 8 x 32 x 32, 8 taps each
    by_hand = 2 * 8 * (6 * 8 * 64**2 + 7 * 8 * 32**2)
    assert cost.decode_sampling_gflop == pytest.approx(by_hand / 1e9, rel=1e-9)


def test_decoding_costs_as_many_times_as_there_are_motions() -> None:
    net = preset("tiny")
    one, two, five = (operations(net, num_motions=count) for count in (1, 2, 5))
    assert five - two == 3 * (two - one), "linear in the motions"
    once = one - (two - one)
    assert 0 <= once < 1e-3 * one, "and hardly anything besides: the identity code's projection"


def test_encoding_is_no_part_of_decoding() -> None:
    cost = face_cost(preset("tiny"))
    assert set(cost.decode_gflop) == {"warp_driver", "generate", "to_condition"}
    assert set(cost.encode_gflop).isdisjoint(cost.decode_gflop)


@pytest.mark.parametrize(
    ("name", "most_gflop"), [("tiny", 0.5), ("small", 8), ("base", 80), ("paper", 130)]
)
def test_a_picture_costs_no_more_than_it_may(name: str, most_gflop: float) -> None:
    cost = face_cost(preset(name))
    assert 0.5 * most_gflop < sum(cost.decode_gflop.values()) < most_gflop
