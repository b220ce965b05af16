"""The deeper SyncNet: its windows, of five frames or longer, line up in picture and sound."""

import pytest
import torch

from vasa.models.deep_syncnet import DeepSyncNet
from vasa.types import InputError

SIZES = {
    "size": 32,
    "top": 0.5,
    "visual_widths": (4, 8, 8),
    "audio_widths": (4, 8),
    "num_mels": 20,
    "hidden": 16,
    "embedding_dim": 8,
    "groups": 2,
}


@pytest.fixture(params=[5, 9])
def net(request) -> DeepSyncNet:
    torch.manual_seed(0)
    return DeepSyncNet(window_frames=request.param, **SIZES).eval()


def test_windows_match_in_number_and_length(net):
    video = net.embed_video(torch.rand(2, 11, 3, 48, 48))
    audio = net.embed_audio(torch.randn(2, 11 * 640))
    assert video.shape == audio.shape == (2, 12 - net.least_frames, 8)
    assert torch.allclose(video.norm(dim=-1), torch.ones(video.shape[:2]))
    assert torch.allclose(audio.norm(dim=-1), torch.ones(audio.shape[:2]))


def test_window_of_clip_equals_window_alone(net):
    clip = torch.rand(1, 14, 3, 32, 32)
    alone = net.embed_video(clip[:, 4 : 4 + net.least_frames])
    assert torch.allclose(net.embed_video(clip)[:, 4], alone[:, 0], atol=1e-5)


def test_every_frame_of_a_window_counts_and_no_other(net):
    clip = torch.rand(1, 14, 3, 32, 32)
    before = net.embed_video(clip)
    changed = clip.clone()
    changed[:, 6] = 1 - changed[:, 6]
    moved = (net.embed_video(changed) - before).abs().amax(dim=-1)[0] > 1e-6
    holding = [max(0, 7 - net.least_frames) <= i <= 6 for i in range(len(moved))]
    assert moved.tolist() == holding


def test_upper_face_is_not_seen(net):
    clip = torch.rand(1, 9, 3, 32, 32)
    changed = clip.clone()
    changed[..., :16, :] = 0
    assert torch.equal(net.embed_video(clip), net.embed_video(changed))


def test_what_does_not_fit_is_explained(net):
    least = net.least_frames
    with pytest.raises(InputError, match=f"at least {least} frames"):
        net.embed_video(torch.zeros(1, least - 1, 3, 32, 32))
    with pytest.raises(InputError, match="640 audio samples a frame"):
        net.embed_audio(torch.zeros(1, least * 640 + 1))
    with pytest.raises(InputError, match="window_frames of at least 5"):
        DeepSyncNet(window_frames=4, **SIZES)
