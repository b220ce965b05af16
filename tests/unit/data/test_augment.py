"""The thin-plate spline goes through its control points, keeps planes and bends least."""

import numpy as np
import torch
from scipy.interpolate import RBFInterpolator

from vasa.data.augment import lattice, thin_plate_flow, thin_plate_spline


def test_it_goes_through_its_control_points():
    knots = lattice(4, margin=0.0)
    torch.testing.assert_close(thin_plate_spline(knots, knots), torch.eye(16), atol=1e-6, rtol=0)


def test_a_plane_stays_a_plane():
    knots, places = lattice(4, margin=0.0), lattice(9, margin=-0.5)
    plane = torch.tensor([[0.3, -0.2], [0.1, 0.4]], dtype=torch.float64)
    level = torch.tensor([0.05, -0.1], dtype=torch.float64)
    found = thin_plate_spline(places, knots).double() @ (knots @ plane + level)
    torch.testing.assert_close(found, places @ plane + level, atol=1e-5, rtol=0)


def test_it_is_scipys():
    generator = torch.Generator().manual_seed(0)
    knots, places = lattice(4, margin=0.0), lattice(11, margin=0.03)
    values = torch.randn(16, 2, generator=generator, dtype=torch.float64)
    expected = RBFInterpolator(knots.numpy(), values.numpy(), kernel="thin_plate_spline")
    found = thin_plate_spline(places, knots).double() @ values
    np.testing.assert_allclose(found, expected(places.numpy()), atol=1e-5)


def test_flow_at_the_pixels_of_a_picture():
    generator = torch.Generator().manual_seed(0)
    flow = thin_plate_flow(generator, batch=64, size=33, knots=3, amplitude=0.1)
    assert flow.shape == (64, 33, 33, 2)
    middle = flow[:, 16, 16]  # a control point: 3 a side, 33 pixels
    assert 0.07 < middle.std() < 0.13
    assert (flow[:, 1:] - flow[:, :-1]).abs().max() < 0.05
