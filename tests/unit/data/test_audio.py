"""Any sound comes out as loud as it was, whatever its channels."""

import numpy as np
import pytest
import soundfile

from vasa.data.audio import read_audio


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_one_voice_in_all_channels_keeps_its_level(tmp_path, channels):
    tone = 0.7 * np.sin(np.arange(48000) / 20)
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.tile(tone[:, None], (1, channels)), 48000, subtype="FLOAT")
    found = read_audio(path)
    assert len(found) == pytest.approx(16000, abs=32)
    assert np.abs(found[100:-100]).max() == pytest.approx(0.7, abs=0.01)


def test_one_silent_channel_of_two_halves_it(tmp_path):
    tone = 0.7 * np.sin(np.arange(48000) / 20)
    path = tmp_path / "left.wav"
    soundfile.write(path, np.stack((tone, 0 * tone), axis=1), 48000, subtype="FLOAT")
    assert np.abs(read_audio(path)[100:-100]).max() == pytest.approx(0.35, abs=0.01)
