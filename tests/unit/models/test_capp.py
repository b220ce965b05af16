"""CAPP's towers: what reaches an embedding and what does not."""

import pytest
import torch

from vasa.data.audio_features import LogMel
from vasa.models.capp import Capp, pose_features
from vasa.types import InputError

WINDOW = 10


@pytest.fixture
def net() -> Capp:
    torch.manual_seed(0)
    mel = LogMel(
        num_mels=8,
        window_samples=400,
        min_hz=0.0,
        max_hz=8000.0,
        floor=1e-5,
        log_mean=-2.0,
        log_std=1.5,
    )
    return Capp(
        audio=mel,
        window=WINDOW,
        width=16,
        num_heads=2,
        pose_layers=2,
        audio_layers=1,
        audio_kernel_size=3,
        audio_convolutions=1,
        frame_channels=3,
        smooth_frames=3,
        dropout=0.0,
    ).eval()


def poses(rows: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, WINDOW, 6, generator=torch.Generator().manual_seed(seed)) * 0.1


def test_both_towers_end_in_one_space_of_unit_vectors(net):
    pose, audio = net.embed_pose(poses()), net.embed_audio(0.1 * torch.randn(2, 640 * WINDOW))
    assert pose.shape == audio.shape == (2, 3 * WINDOW)
    assert torch.allclose(pose.norm(dim=-1), torch.ones(2), atol=1e-5)
    assert torch.allclose(audio.norm(dim=-1), torch.ones(2), atol=1e-5)


def test_features_closed_form():
    pose = torch.tensor([0.0, 1.0, 5.0, 2.0])[None, :, None].expand(1, 4, 6)
    valid = torch.tensor([[True, True, False, True]])
    features = pose_features(pose, valid)
    assert torch.equal(features[0, :, 0], torch.tensor([-1.0, 0.0, 0.0, 1.0]))
    assert torch.equal(features[0, :, 6], torch.tensor([0.0, 1.0, 0.0, 0.0]))


def test_where_the_head_stands_is_not_seen(net):
    moved = poses() + torch.tensor([0.5, -0.2, 0.1, 0.3, -0.3, 0.2])
    assert torch.allclose(net.embed_pose(poses()), net.embed_pose(moved), atol=1e-4)


def test_order_and_amount_of_motion_are_seen(net):
    plain = net.embed_pose(poses())
    for changed in (poses().flip(1), 3 * poses()):
        assert (plain - net.embed_pose(changed)).norm(dim=-1).min() > 1e-2


def test_frames_that_are_not_valid_are_not_looked_at(net):
    valid = torch.ones(2, WINDOW, dtype=torch.bool)
    valid[:, 4:6] = False
    broken = poses()
    broken[:, 4:6] = 9.0
    there = net.embed_pose(poses(), valid)
    assert torch.allclose(there, net.embed_pose(broken, valid), atol=1e-5)
    frames = there.reshape(2, WINDOW, 3)
    assert (frames[:, 4:6] == 0).all() and (frames[:, 6:] != 0).any()
    assert (net.embed_pose(broken) - there).norm() > 1e-2


def test_shorter_windows_work_and_silence_is_finite(net):
    assert net.embed_pose(poses()[:, :7]).shape == (2, 21)
    assert net.embed_audio(torch.zeros(1, 640 * 7)).isfinite().all()


def test_lengths_that_do_not_fit_are_explained(net):
    with pytest.raises(InputError, match="640 audio samples a frame"):
        net.embed_audio(torch.zeros(1, 6401))


def test_neighbouring_moments_are_averaged(net):
    frames = torch.tensor([0.0, 3.0, 0.0, 0.0, 6.0])[None, :, None]
    found = net.pose_tower._smoothed(frames)[0, :, 0]
    torch.testing.assert_close(found, torch.tensor([1.5, 1.0, 1.0, 2.0, 3.0]))


def test_an_even_number_of_moments_has_no_middle(net):
    with pytest.raises(InputError, match="odd smooth_frames, got 2"):
        Capp(
            audio=net.audio,
            window=WINDOW,
            width=16,
            num_heads=2,
            pose_layers=1,
            audio_layers=1,
            audio_kernel_size=3,
            audio_convolutions=1,
            frame_channels=3,
            smooth_frames=2,
            dropout=0.0,
        )
