"""SyncNet: windows line up in picture and sound, and nothing else reaches them."""

import math

import pytest
import torch

from vasa.models.syncnet import LogMel, SyncNet, mel_filters
from vasa.types import InputError


@pytest.fixture
def net() -> SyncNet:
    torch.manual_seed(0)
    return SyncNet(
        size=32,
        top=0.5,
        visual_widths=(4, 8, 8),
        audio_widths=(4, 8),
        num_mels=20,
        hidden=16,
        embedding_dim=8,
        groups=2,
    ).eval()


def test_windows_match_in_number_and_length(net):
    video = net.embed_video(torch.rand(2, 9, 3, 32, 32))
    audio = net.embed_audio(torch.randn(2, 9 * 640))
    assert video.shape == audio.shape == (2, 5, 8)
    assert torch.allclose(video.norm(dim=-1), torch.ones(2, 5))
    assert torch.allclose(audio.norm(dim=-1), torch.ones(2, 5))


def test_window_of_clip_equals_window_alone(net):
    clip = torch.rand(1, 12, 3, 32, 32)
    alone = net.embed_video(clip[:, 4:9])
    assert torch.allclose(net.embed_video(clip)[:, 4], alone[:, 0], atol=1e-5)


def test_upper_face_is_not_seen(net):
    clip = torch.rand(1, 6, 3, 32, 32)
    changed = clip.clone()
    changed[..., :16, :] = 0
    assert torch.equal(net.embed_video(clip), net.embed_video(changed))


def test_click_reaches_the_windows_that_hear_it(net):
    audio = torch.randn(1, 40 * 640, generator=torch.Generator().manual_seed(0)) * 0.1
    clicked = audio.clone()
    clicked[:, 20 * 640 + 200 : 20 * 640 + 440] += 1.0
    # mel energies before the clip's mean is taken off are local: compare differences in time
    change = (net.log_mel(clicked) - net.log_mel(audio)).abs().sum(-1)[0]
    rest = change.median()
    heard = ((change - rest).abs() > 0.2 * change.max()).nonzero().flatten()
    assert 80 <= int(heard.min()) and int(heard.max()) < 84


def test_loudness_is_not_heard():
    mel = LogMel(num_mels=20)
    audio = torch.randn(1, 6400, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(mel(audio), mel(audio * 0.3), atol=1e-3)


def test_silence_is_finite(net):
    assert net.embed_audio(torch.zeros(1, 6400)).isfinite().all()


def test_mel_filters_peak_at_their_centres():
    filters = mel_filters(num_mels=40, low_hz=60, high_hz=7600)
    assert filters.min() >= 0 and filters.max() <= 1
    top = 2595 * math.log10(1 + 7600 / 700)
    bottom = 2595 * math.log10(1 + 60 / 700)
    centre = 700 * (10 ** ((bottom + (top - bottom) * 31 / 41) / 2595) - 1)
    assert abs(int(filters[30].argmax()) * 8000 / 256 - centre) < 8000 / 256


def test_lengths_that_do_not_fit_are_explained(net):
    with pytest.raises(InputError, match="640 audio samples a frame"):
        net.embed_audio(torch.zeros(1, 6401))
    with pytest.raises(InputError, match="at least 5 frames"):
        net.embed_video(torch.zeros(1, 4, 3, 32, 32))
