"""Samples that agree in one part and differ in the others."""

from dataclasses import replace

import pytest
import torch

from vasa.evaluation.metrics.diversity import sample_spread
from vasa.evaluation.protocols.diversity import diversity
from vasa.evaluation.report.diversity import diversity_figure
from vasa.evaluation.sample_spread import (
    SourceSamples,
    brow_height,
    source_samples,
)

LENGTH, START = 120, 10


def make_talker(world):
    """Lips by the sound, heads by the seed, the same gaze throughout, nothing at the start."""

    def talk(image, audio, seed, wish=None):
        values = torch.zeros(LENGTH, 11, dtype=torch.float64)
        said = torch.Generator().manual_seed(int(audio.abs().sum() * 1000))
        free = torch.Generator().manual_seed(seed)
        values[:, 6] = 0.2 * torch.rand(LENGTH, generator=said)
        values[:, 0] = 0.2 * torch.rand(LENGTH, generator=free)
        values[:, 8] = torch.linspace(-0.3, 0.3, LENGTH)
        values[:START] = 0.9
        frames = world.write_values(image[None].expand(LENGTH, -1, -1, -1), values)
        return (frames * 255).round().to(torch.uint8)

    return talk


@pytest.fixture(scope="module")
def samples(world):
    return [
        source_samples(
            make_talker(world),
            clip.source(),
            sound=clip.audio,
            other_sounds=[other.audio for other in world.clips[3:]],
            seeds=[3 * index, 3 * index + 1, 3 * index + 2],
            start_frames=START,
            instrument=world.instrument,
            batch_size=50,
        )
        for index, clip in enumerate(world.clips[:3])
    ]


def test_lips_agree_and_heads_do_not(world, samples, tmp_path):
    rows = diversity(samples=samples, split="test", bootstrap=world.arguments["bootstrap"])
    found = {row.metric: row for row in rows}
    lips, head = found["diversity/lips_share"], found["diversity/head_share"]
    assert lips.value == pytest.approx(0.0, abs=1e-6)
    assert lips.control == pytest.approx(1.0, abs=0.15)
    assert head.value == pytest.approx(1.0, abs=0.15)
    assert found["diversity/gaze_share"].value == pytest.approx(0.0, abs=1e-6)
    assert lips.n == 3 and "3 samples" in lips.note and lips.higher_is_better is None
    diversity_figure(tmp_path / "bars.png", rows)
    assert (tmp_path / "bars.png").read_bytes()[1:4] == b"PNG"


def test_a_part_that_nobody_sees_is_left_out(world, samples):
    blind = [
        replace(source, same={name: s for name, s in source.same.items() if name != "brows"})
        for source in samples
    ]
    bootstrap = world.arguments["bootstrap"]
    names = {row.metric for row in diversity(samples=blind, split="test", bootstrap=bootstrap)}
    assert "diversity/brows_share" not in names and "diversity/blink_share" in names


def test_samples_survive_the_disk(samples, tmp_path):
    samples[0].save(tmp_path / "a.npz")
    again = SourceSamples.load(tmp_path / "a.npz")
    for name in ("same", "different"):
        mine, kept = getattr(samples[0], name), getattr(again, name)
        assert set(mine) == set(kept)
        assert all(torch.equal(mine[part], kept[part]) for part in mine)


def test_spread_of_independent_and_of_shifted_samples():
    free = torch.randn(40, 400, 2, generator=torch.Generator().manual_seed(0))
    spread = sample_spread(free)
    assert spread.between == pytest.approx(2.0, abs=0.05)
    assert spread.over_time == pytest.approx(2.0, abs=0.05)
    shifted = free[:1] + torch.tensor([-1.0, 1.0])[:, None, None]
    spread = sample_spread(shifted)
    assert spread.between == pytest.approx(4.0, abs=1e-4)


def test_brows_are_measured_in_the_heads_own_frame():
    points = torch.zeros(1, 68, 2)
    points[:, 36:42] = torch.tensor([20.0, 30.0])
    points[:, 42:48] = torch.tensor([40.0, 30.0])
    points[:, 17:27] = torch.tensor([30.0, 20.0])
    assert float(brow_height(points)) == pytest.approx(0.5)
    turn = torch.tensor([[0.8, -0.6], [0.6, 0.8]])
    assert float(brow_height(3 * points @ turn.T + 7)) == pytest.approx(0.5, abs=1e-5)
