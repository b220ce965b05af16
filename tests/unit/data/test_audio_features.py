import numpy as np
import pytest
import torch

from vasa.data.audio_features import LogMel, fit_to_frames, mel_filters, num_video_frames


@pytest.fixture(scope="module")
def encoder():
    return LogMel(
        num_mels=80,
        window_samples=400,
        min_hz=0.0,
        max_hz=8000.0,
        floor=1e-5,
        log_mean=-2.0,
        log_std=1.5,
    )


def test_a_click_is_heard_in_its_frame_and_sub_frame(encoder):
    """Frame i owns the samples [640 i, 640 (i + 1)), each of its quarters 160 of them."""
    for frame, quarter in ((3, 0), (7, 1), (11, 2), (19, 3)):
        audio = torch.zeros(1, 25 * 640)
        audio[0, 640 * frame + 160 * quarter + 80] = 1.0
        energy = encoder(audio).reshape(25, 4, 80).mean(dim=-1)
        assert int(energy.argmax()) == 4 * frame + quarter


def test_click_track_at_every_second_frame(encoder):
    audio = torch.zeros(1, 50 * 640)
    audio[0, 320::1280] = 1.0
    energy = encoder(audio)[0].mean(dim=-1)
    assert (energy[0::2].min() > energy[1::2].max()).item()


def test_nothing_beyond_the_stated_context_is_seen(encoder):
    torch.manual_seed(0)
    audio = 0.1 * torch.randn(1, 20 * 640)
    features = encoder(audio)
    changed = audio.clone()
    first = 640 * 10 + 640 + encoder.context_samples
    changed[0, first:] = 0.1 * torch.randn(audio.shape[1] - first)
    assert torch.equal(encoder(changed)[0, :11], features[0, :11])
    assert not torch.equal(encoder(changed)[0, 11], features[0, 11])


def test_features_of_a_part_are_the_part_of_the_features(encoder):
    torch.manual_seed(0)
    audio = 0.1 * torch.randn(1, 30 * 640)
    part = encoder(audio[:, 640 * 5 : 640 * 25])[0, 1:-1]
    torch.testing.assert_close(part, encoder(audio)[0, 6:24], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("num_samples", "frames"), [(1, 1), (640, 1), (959, 1), (960, 2), (6400, 10)]
)
def test_frames_are_the_length_to_the_nearest(encoder, num_samples, frames):
    assert num_video_frames(num_samples) == frames
    assert encoder(torch.randn(2, num_samples)).shape == (2, frames, encoder.dim)
    assert fit_to_frames(torch.ones(1, num_samples)).shape == (1, 640 * frames)


def test_silence_is_the_floor(encoder):
    features = encoder(torch.zeros(1, 6400))
    torch.testing.assert_close(features, torch.full_like(features, (-5 + 2) / 1.5))


def test_ten_times_the_sound_adds_a_constant(encoder):
    """Energy goes with the square: 2 decades, 2 / log_std in features."""
    torch.manual_seed(0)
    audio = 0.05 * torch.randn(1, 6400)
    change = encoder(10 * audio) - encoder(audio)
    torch.testing.assert_close(change, torch.full_like(change, 2 / 1.5), atol=1e-3, rtol=1e-3)


def test_filters_cover_the_band_evenly():
    filters = mel_filters(num_mels=80, num_bins=201, min_hz=0, max_hz=8000)
    assert filters.shape == (80, 201) and filters.min() >= 0 and filters.max() <= 1
    assert (filters.sum(axis=1) > 0).all()
    centres = (filters * np.arange(201)).sum(axis=1) / filters.sum(axis=1)
    assert (np.diff(centres) >= 0).all() and centres[-1] > 190
    inner = filters.sum(axis=0)[30:190]
    np.testing.assert_allclose(inner, 1, atol=0.05)  # neighbouring triangles add up to one


def test_a_tone_lands_in_its_band(encoder):
    times = torch.arange(16_000) / 16_000
    features = encoder(torch.sin(2 * torch.pi * 1000 * times)[None]).reshape(25, 4, 80)
    filters = mel_filters(num_mels=80, num_bins=201, min_hz=0, max_hz=8000)
    expected = int(filters[:, 1000 // 40].argmax())
    assert abs(int(features[12, 2].argmax()) - expected) <= 1


def test_the_description_tells_settings_apart(encoder):
    other = LogMel(**{**vars_of(encoder), "num_mels": 40})
    assert encoder.describe() != other.describe()
    assert encoder.describe() == LogMel(**vars_of(encoder)).describe()


def vars_of(encoder):
    return {name: getattr(encoder, name) for name in encoder.__dataclass_fields__}
