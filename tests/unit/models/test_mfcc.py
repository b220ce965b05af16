"""MFCC against the package that the published SyncNet was fed by."""

import numpy as np
import pytest
import python_speech_features
import torch

from vasa.models.mfcc import Mfcc
from vasa.types import InputError


def sound(kind: str, num_samples: int) -> np.ndarray:
    """int16 samples."""
    rng = np.random.default_rng(num_samples)
    time = np.arange(num_samples) / 16_000
    return {
        "noise": rng.integers(-30_000, 30_000, num_samples),
        "tone": 9_000 * np.sin(2 * np.pi * (200 + 900 * time) * time),
        "half silent": rng.integers(-500, 500, num_samples) * (time > time.mean()),
        "silence": np.zeros(num_samples),
    }[kind].astype(np.int16)


@pytest.mark.parametrize("kind", ["noise", "tone", "half silent", "silence"])
@pytest.mark.parametrize("num_samples", [401, 640 * 6, 640 * 30 + 7, 16_000])
def test_equals_the_package(kind, num_samples):
    samples = sound(kind, num_samples)
    wanted = python_speech_features.mfcc(samples, 16_000)
    found = Mfcc()(torch.from_numpy(samples).float()[None] / 32_768)[0]
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5, atol=2e-5)


def test_step_is_of_its_own_25_ms():
    audio = torch.randn(1, 16_000, generator=torch.Generator().manual_seed(0)) * 0.1
    changed = audio.clone()
    changed[:, 8_000] += 0.5
    different = (Mfcc()(audio) != Mfcc()(changed)).any(-1)[0].nonzero().flatten()
    # pre-emphasis carries the click one sample on
    assert different.tolist() == [
        k for k in range(99) if 160 * k <= 8_001 and 160 * k + 400 > 8_000
    ]


def test_float_samples_are_those_of_a_wav_file():
    audio = torch.rand(1, 4_000, generator=torch.Generator().manual_seed(1)) * 2 - 1
    rounded = (audio * 32_768).round().clamp(-32_768, 32_767) / 32_768
    assert torch.equal(Mfcc()(audio), Mfcc()(rounded))


def test_too_little_sound_is_refused():
    with pytest.raises(InputError, match="more than 400 samples"):
        Mfcc()(torch.zeros(1, 400))
