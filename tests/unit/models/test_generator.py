"""Compositing of the posed volume: what hides what."""

import pytest
import torch

from vasa.models.generator import composite


def planes(*layers: tuple[float, float]) -> torch.Tensor:
    """A volume of uniform planes, near to far, each (colour, coverage), with one feature."""
    volume = torch.zeros(1, 5, len(layers), 4, 4)
    for index, (colour, coverage) in enumerate(layers):
        volume[:, :3, index] = colour * coverage
        volume[:, 3, index] = coverage
        volume[:, 4, index] = 7.0  # a feature; not to be seen
    return volume


@pytest.mark.parametrize(
    ("layers", "colour", "seen"),
    [
        ([(0.8, 1.0), (-0.5, 1.0)], 0.8, 1.0),  # an opaque plane hides what is behind it
        ([(0.8, 0.0), (-0.5, 1.0)], -0.5, 1.0),  # an empty one hides nothing
        ([(0.8, 0.5), (-0.4, 1.0)], 0.2, 1.0),  # half of each
        ([(0.8, 0.5), (0.8, 0.5)], 0.8, 0.75),  # spread over planes, as bright as before
        ([(0.8, 0.3), (0.0, 0.0)], 0.8, 0.3),  # thinned, as bright as before
        ([(0.0, 0.0), (0.0, 0.0)], 0.0, 0.0),  # nothing there
    ],
)
def test_what_is_seen_from_the_front(
    layers: list[tuple[float, float]], colour: float, seen: float
) -> None:
    colours, coverage = composite(planes(*layers))
    torch.testing.assert_close(colours, torch.full((1, 3, 4, 4), colour))
    torch.testing.assert_close(coverage, torch.full((1, 1, 4, 4), seen))


def test_gradients_are_finite_where_planes_are_opaque_and_where_all_is_empty() -> None:
    volume = planes((0.3, 1.0), (0.2, 1.0), (0.0, 0.0))
    volume[..., :2] = 0
    volume.requires_grad_(True)
    colours, coverage = composite(volume)
    (colours.sum() + coverage.sum()).backward()
    assert volume.grad is not None
    assert volume.grad.isfinite().all()
