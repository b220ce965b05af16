"""Motion between frames against closed forms: dP, jitter, and how lips move."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from vasa.evaluation.metrics.image import MOUTH_LANDMARKS
from vasa.evaluation.metrics.landmarks import (
    LipDistance,
    MouthVelocityError,
    in_eye_frame,
    lip_points,
)
from vasa.evaluation.metrics.motion import (
    Jitter,
    MotionSpread,
    PoseVariation,
    acceleration_energy,
    mean_pose_change,
)

EYES = (36, 45)


def swing(period: float, *, amplitude: float = 2.0, frames: int = 200) -> torch.Tensor:
    time = torch.arange(frames).double()
    return amplitude * torch.sin(2 * math.pi * time / period)[:, None]


def face(*, frames: int = 6, seed: int = 0) -> torch.Tensor:
    """A face whose eyes are 50 px apart and level, with lips that move at random."""
    generator = torch.Generator().manual_seed(seed)
    points = 60 * torch.rand(1, 68, 2, generator=generator).double().repeat(frames, 1, 1)
    points[:, EYES[0]], points[:, EYES[1]] = torch.tensor([[10.0, 20], [60, 20]]).double()
    points[:, MOUTH_LANDMARKS] += torch.randn(frames, 20, 2, generator=generator).double()
    return points


def moved(points: torch.Tensor, *, seed: int = 1) -> torch.Tensor:
    """The same face turned in the picture plane, scaled and shifted, otherwise in each frame."""
    generator = torch.Generator().manual_seed(seed)
    count = len(points)
    angle = torch.rand(count, generator=generator).double() - 0.5
    size = 0.5 + torch.rand(count, generator=generator).double()
    turn = torch.stack((angle.cos(), -angle.sin(), angle.sin(), angle.cos()), -1).view(-1, 2, 2)
    shift = 100 * torch.rand(count, 1, 2, generator=generator).double()
    return torch.einsum("tij,tpj->tpi", turn, points) * size[:, None, None] + shift


@pytest.mark.parametrize("period", [50.0, 10.0, 4.0, 2.5])
def test_acceleration_of_a_swing(period: float) -> None:
    expected = 2.0**2 / 2 * (2 * math.sin(math.pi / period)) ** 4
    # sin^2 averages to 1/2 over whole periods; over 198 frames nearly so.
    assert float(acceleration_energy(swing(period))) == pytest.approx(expected, rel=0.03)


def test_even_motion_has_no_jitter_and_trembling_has() -> None:
    even = torch.stack((torch.arange(30.0), 5 - 2 * torch.arange(30.0)), dim=1)
    found = []
    for size in (0.0, 0.1, 0.4):
        metric = Jitter()
        noise = torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
        metric.update(even + size * noise)
        found.append(float(metric.compute()))
    assert found[0] == pytest.approx(0, abs=1e-5)
    assert found[2] == pytest.approx(4 * found[1], rel=1e-4) and found[1] > 0
    spike = torch.zeros(12, 1)
    spike[6] = 3.0
    # 1, -2, 1 times 3 in 10 places
    assert float(acceleration_energy(spike)) == pytest.approx(6 * 9 / 10)
    with pytest.raises(ValueError, match="three frames"):
        acceleration_energy(torch.zeros(2, 1))
    short = Jitter()
    short.update(torch.zeros(2, 1))
    assert short.per_clip().isnan().all(), "left out"


def test_pose_change_as_scipy_composes_rotations() -> None:
    pose = 0.3 * torch.randn(20, 6, generator=torch.Generator().manual_seed(0)).double()
    same = torch.zeros(5, 6)
    assert float(mean_pose_change(same)) == pytest.approx(0, abs=1e-4)
    about = torch.zeros(10, 6).double()
    about[:, 1] = torch.arange(10) * math.radians(2)
    metric = PoseVariation()
    metric.update(about)
    assert float(metric.compute()) == pytest.approx(2.0, abs=1e-6)
    metric.update(pose)
    order = rotation_of(pose)
    steps = (order[:-1].inv() * order[1:]).magnitude()
    assert float(metric.per_clip()[1]) == pytest.approx(np.degrees(steps).mean(), rel=1e-6)


def rotation_of(pose: torch.Tensor) -> Rotation:
    """R_z(roll) R_y(yaw) R_x(pitch), turns about the head's own axes in that order."""
    yaw, pitch, roll = pose[:, :3].T.numpy()
    return Rotation.from_euler("ZYX", np.stack((roll, yaw, pitch), axis=1))


def test_seen_from_the_eyes_the_head_stands_still() -> None:
    points = face()
    seen = in_eye_frame(points)
    torch.testing.assert_close(seen, (points - points[:, 36, None]) / 50)
    torch.testing.assert_close(in_eye_frame(moved(points)), seen)
    assert in_eye_frame(torch.zeros(2, 68, 2)).isfinite().all()


def test_mouth_velocity_error() -> None:
    driver = face()
    metric = MouthVelocityError()
    metric.update(lip_points(moved(driver)), lip_points(driver))
    assert float(metric.compute()) == pytest.approx(0, abs=1e-9)
    # A lip that opens 3 px a frame where the driver's rests: 6% of the eye distance.
    still = face()[:1].repeat(6, 1, 1)
    opening = still.clone()
    opening[:, MOUTH_LANDMARKS, 1] += 3.0 * torch.arange(6)[:, None]
    metric = MouthVelocityError()
    metric.update(lip_points(opening), lip_points(still))
    assert float(metric.compute()) == pytest.approx(6.0)
    # Where it stands is not asked, but which way it goes is.
    metric = MouthVelocityError()
    metric.update(lip_points(opening + 20), lip_points(opening))
    metric.update(lip_points(opening.flip(0)), lip_points(opening))
    assert metric.per_clip().tolist() == pytest.approx([0.0, 12.0], abs=1e-9)
    assert not metric.higher_is_better


def test_worse_lips_score_worse() -> None:
    driver = face(frames=40)
    still = driver.clone()
    still[:, MOUTH_LANDMARKS] = driver[:1, MOUTH_LANDMARKS]
    late = torch.cat((driver[:1].repeat(5, 1, 1), driver[:-5]))
    found = []
    for result in (0.8 * driver + 0.2 * still, still, late):
        metric = MouthVelocityError()
        metric.update(lip_points(result), lip_points(driver))
        found.append(float(metric.compute()))
    assert found == sorted(found) and found[0] == pytest.approx(0.2 * found[1])


def test_lip_distance_of_a_known_shift() -> None:
    driver = face()
    lower = driver.clone()
    lower[:, MOUTH_LANDMARKS] += torch.tensor([1.5, -2.0]).double()  # 2.5 px of 50
    metric = LipDistance()
    metric.update(lip_points(lower), lip_points(driver))
    metric.update(lip_points(moved(lower)), lip_points(moved(driver, seed=2)))
    metric.update(lip_points(driver)[:0], lip_points(driver)[:0])
    assert metric.per_clip().tolist() == pytest.approx([5.0, 5.0, math.nan], nan_ok=True)


def test_spread_is_the_root_of_summed_variances() -> None:
    series = swing(50.0, amplitude=3.0)
    metric = MotionSpread()
    metric.update(series[:, 0])
    metric.update(torch.cat((series, series + 7), dim=1))
    metric.update(series[:1])
    one = 3.0 / math.sqrt(2)
    expected = [one, one * math.sqrt(2), math.nan]
    assert metric.per_clip().tolist() == pytest.approx(expected, rel=0.01, nan_ok=True)
