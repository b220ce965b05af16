"""loss(x, x) = 0, and each loss answers to what it is for."""

from dataclasses import replace

import torch
import torch.nn.functional as F

from vasa.losses.bottleneck import bottleneck_loss
from vasa.losses.cross_identity import cross_identity_loss
from vasa.losses.motion_transfer import (
    FACE_UNITS,
    MotionTarget,
    dynamics_loss,
    motion_transfer_loss,
)
from vasa.losses.perceptual import perceptual_loss
from vasa.losses.pose import landmark_loss, pose_loss
from vasa.losses.reconstruction import reconstruction_loss, squared_error_loss
from vasa.losses.regions import EYES, MOUTH, region_error, region_weights
from vasa.losses.transfer_consistency import transfer_consistency_loss
from vasa.types import FaceMeasurements


def features(image: torch.Tensor) -> list[torch.Tensor]:
    return [image * 2 + 1, F.avg_pool2d(image, 2)]


def pictures(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_zero_at_equality():
    x = pictures()
    weights = torch.ones(2, 1, 16, 16)
    pose = torch.randn(2, 6)
    embedding = F.normalize(torch.randn(2, 8), dim=-1)
    assert reconstruction_loss(x, x, weights) == 0
    assert squared_error_loss(x, x, weights) == 0
    assert perceptual_loss(x, x, features) == 0
    assert transfer_consistency_loss(x, x, features, perceptual_weight=1.0) == 0
    assert pose_loss(pose, pose, torch.ones(2)) == 0
    assert cross_identity_loss(embedding, embedding).abs() < 1e-6


def test_transfers_may_differ_behind_the_head():
    x = pictures()
    head = torch.zeros(2, 1, 16, 16)
    head[..., 4:12, 4:12] = 1
    behind = x + 0.25 * (1 - head)

    def loss(weights: torch.Tensor | None) -> torch.Tensor:
        return transfer_consistency_loss(
            behind, x, lambda picture: [picture], perceptual_weight=0.0, weights=weights
        )

    assert loss(head) == 0
    torch.testing.assert_close(loss(None), torch.tensor(0.25 * 0.75))
    torch.testing.assert_close(loss(1 - head), torch.tensor(0.25))


def test_closed_forms():
    x = torch.zeros(1, 3, 4, 4)
    weights = torch.zeros(1, 1, 4, 4)
    weights[..., 0, 0] = 16
    target = torch.full_like(x, 0.5)
    assert reconstruction_loss(x, target, weights) == 0.5
    assert squared_error_loss(x, target, weights) == 0.25
    first, second = torch.eye(4)[:1], torch.eye(4)[1:2]
    assert cross_identity_loss(first, second) == 1
    assert cross_identity_loss(first, -first) == 2
    far = torch.tensor([[0.2, 0, 0, 0, 0, 0]])  # two units: smooth L1 = 1.5, over six numbers
    assert abs(pose_loss(far, torch.zeros(1, 6), torch.ones(1)) - 1.5 / 6) < 1e-6


def test_landmark_loss_is_smooth_l1_in_twentieths_of_half_a_picture():
    """Errors of e units: e^2 / 2 up to one, e - 1/2 beyond; a mean over points and axes."""
    label = torch.zeros(2, 68, 2)
    found = label.clone()
    found[0, 3, 0], found[0, 9, 1] = 0.5 * 0.05, -3 * 0.05
    found[1] = 0.8 * 0.05
    of_rows = [(0.125 + 2.5) / (68 * 2), 0.32]
    for valid, wanted in (
        ([1.0, 1.0], sum(of_rows) / 2),
        ([0.0, 1.0], of_rows[1]),
        ([1.0, 0.0], of_rows[0]),
        ([0.0, 0.0], 0.0),
    ):
        loss = landmark_loss(found, label, torch.tensor(valid))
        assert abs(loss - wanted) < 1e-6
    assert landmark_loss(label, label, torch.ones(2)) == 0


def test_transfer_consistency_of_constant_pictures():
    """|a - b| + p mean_k |f_k(a) - f_k(b)| / |f_k(b)| with f = (2 x + 1, mean of 2 x 2)."""
    a, b = (torch.full((2, 3, 8, 8), value) for value in (0.2, 0.5))
    for weight in (0.0, 1.0, 2.0):
        wanted = 0.3 + weight * (0.6 / 2.0 + 0.3 / 0.5) / 2
        loss = transfer_consistency_loss(a, b, features, perceptual_weight=weight)
        assert abs(loss - wanted) < 1e-6
    other = 0.3 + (0.6 / 1.4 + 0.3 / 0.2) / 2
    assert abs(transfer_consistency_loss(b, a, features, perceptual_weight=1.0) - other) < 1e-6


def face_points() -> torch.Tensor:
    """Eyes at (-0.4, -0.3) and (0.4, -0.3), a mouth around (0, 0.5), `1 68 2`."""
    landmarks = torch.zeros(1, 68, 2)
    landmarks[:, 48:68] = torch.tensor([[0.0, 0.5]]) + torch.linspace(-0.2, 0.2, 20)[:, None]
    landmarks[:, 36:42] = torch.tensor([-0.4, -0.3])
    landmarks[:, 42:48] = torch.tensor([0.4, -0.3])
    return landmarks


def test_a_regions_error_is_that_of_the_region():
    target = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) / 2
    points = face_points()
    for region in (MOUTH, EYES):
        assert region_error(target, target, points, region) == 0
        assert abs(region_error(target + 0.3, target, points, region) - 0.3) < 1e-6
    below = target.clone()
    below[:, :, 16:] += 0.4  # the mouth's half
    assert region_error(below, target, points, MOUTH) > 0.38
    assert region_error(below, target, points, EYES) < 0.01
    left = target.clone()
    left[..., :16] += 0.4  # one eye's half: both count alike
    assert abs(region_error(left, target, points, EYES) - 0.2) < 0.01


def test_invalid_labels_do_not_count():
    pose = torch.randn(3, 6)
    label = pose.clone()
    label[1] += 5
    assert pose_loss(pose, label, torch.tensor([1.0, 0.0, 1.0])) == 0
    assert pose_loss(pose, label, torch.zeros(3)) == 0


def measurements(pose: torch.Tensor) -> FaceMeasurements:
    count = len(pose)
    return FaceMeasurements(
        identity=torch.zeros(count, 4),
        pose=pose,
        mouth=torch.full((count, 2), 0.3),
        gaze=torch.zeros(count, 2),
        blink=torch.zeros(count),
        presence=torch.zeros(count),
        emotion=torch.eye(8)[:count],
    )


def test_motion_transfer_is_zero_when_measured_as_asked():
    pose = torch.randn(3, 6)
    measured = measurements(pose)
    asked = {name: getattr(measured, name) for name in FACE_UNITS}
    target = MotionTarget(pose=pose, valid=torch.ones(3), **asked)
    assert motion_transfer_loss(measured, target) == 0
    assert motion_transfer_loss(measurements(pose + 0.1), target) > 0.05
    happier = replace(measured, emotion=asked["emotion"].roll(1, dims=0))
    assert motion_transfer_loss(happier, target) > 0.05
    silent = replace(measured, emotion=None)  # of what an expert does not read nothing is asked
    assert motion_transfer_loss(silent, target) == 0


def test_an_error_of_one_unit_is_half_a_point():
    """Parts count alike, however many numbers they have."""
    zeros = {"mouth": torch.zeros(1, 2), "gaze": torch.zeros(1, 2), "blink": torch.zeros(1)}
    target = MotionTarget(
        pose=torch.zeros(1, 6), valid=torch.ones(1), emotion=torch.zeros(1, 8), **zeros
    )
    parts = {"mouth": [0, 1], "gaze": [2, 3], "blink": [4], "emotion": list(range(5, 13))}
    for name, columns in parts.items():
        readout = torch.zeros(1, 13)
        readout[0, columns] = torch.tensor(FACE_UNITS[name])
        torch.testing.assert_close(dynamics_loss(readout, target), torch.tensor(0.5 / 4))


def test_consistency_moves_the_first_picture():
    x = pictures().requires_grad_()
    other = pictures().flip(0)
    transfer_consistency_loss(x, other, features, perceptual_weight=1.0).backward()
    assert x.grad is not None and x.grad.abs().sum() > 0


def test_region_weights_stress_mouth_and_eyes():
    landmarks = face_points()
    weights = region_weights(landmarks, 32, mouth=8.0, eyes=4.0)
    assert weights.shape == (1, 1, 32, 32)
    assert abs(weights.mean() - 1) < 1e-5
    mouth, eye, corner = weights[0, 0, 24, 16], weights[0, 0, 11, 9], weights[0, 0, 0, 0]
    assert mouth > eye > corner
    assert abs(mouth / corner - 9) < 0.5
    plain = region_weights(landmarks, 32, mouth=0.0, eyes=0.0)
    torch.testing.assert_close(plain, torch.ones(1, 1, 32, 32))


def test_bottleneck_is_the_divergence_of_gaussians():
    code = torch.tensor([[0.3, -0.6], [0.0, 0.1]])
    sigma = 0.3
    spread = torch.distributions.Normal(code, sigma)
    expected = torch.distributions.kl_divergence(spread, torch.distributions.Normal(0.0, sigma))
    assert abs(bottleneck_loss(code, sigma=sigma) - expected.sum(-1).mean()) < 1e-6


def test_dynamics_readout_is_mouth_gaze_blink_emotion():
    asked = {"mouth": torch.rand(3, 2), "gaze": torch.rand(3, 2), "blink": torch.rand(3)}
    asked["emotion"] = torch.rand(3, 8)
    target = MotionTarget(pose=torch.zeros(3, 6), valid=torch.ones(3), **asked)
    readout = torch.cat([part.reshape(3, -1) for part in asked.values()], dim=1)
    assert dynamics_loss(readout, target) == 0
    assert dynamics_loss(readout + 0.1, target) > 0.1
