"""The made-up results of experiment 001 are what their names say."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import torch

from vasa.evaluation.protocols.reenactment import reenact

SCRIPT = Path(__file__).parents[2] / "experiments" / "001-real-clips" / "levels.py"


def test_made_up_results_are_what_they_say() -> None:
    size = runpy.run_path(str(SCRIPT))["SIZE"]
    pictures = torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(0))
    clips = [
        SimpleNamespace(speaker=speaker, source=lambda picture=picture: picture)
        for speaker, picture in zip("aab", pictures, strict=True)
    ]
    drivers = torch.rand(5, 3, size, size, generator=torch.Generator().manual_seed(1))
    nets = runpy.run_path(str(SCRIPT))["made_up"](clips)

    def drawn(what: str) -> torch.Tensor:
        found = next(net for name, net in nets.items() if what in name)
        return reenact(found, pictures[1], drivers, batch_size=2)

    assert torch.equal(drawn("own frame"), drivers)
    assert torch.equal(drawn("aside")[..., 1:], drivers[..., :-1])
    assert torch.equal(drawn("copying"), pictures[1].expand_as(drivers))
    assert torch.equal(drawn("another person"), pictures[2].expand_as(drivers))
    torch.testing.assert_close(drawn("mean"), pictures.mean(dim=0).expand_as(drivers))
    blurred = drawn("blurred")
    assert blurred.std() < 0.5 * drivers.std()
    torch.testing.assert_close(blurred.mean(), drivers.mean(), atol=1e-2, rtol=0)
