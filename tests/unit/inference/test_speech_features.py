"""Features while the sound comes are those of the whole clip, from little memory."""

import pytest
import torch

from vasa.data.audio_features import LogMel, SoundContext, num_video_frames
from vasa.inference.speech_features import SpeechFeatures
from vasa.pretrained.audio_encoders import WhisperTiny
from vasa.types import InputError


def log_mel(window_samples=400):
    return LogMel(
        num_mels=20,
        window_samples=window_samples,
        min_hz=0.0,
        max_hz=8000.0,
        floor=1e-5,
        log_mean=-2.0,
        log_std=1.5,
    )


def speech(num_samples, seed=0):
    return 0.1 * torch.randn(num_samples, generator=torch.Generator().manual_seed(seed))


def streamed(encoder, audio, *, run=7, cuts=(), known=None):
    features, out = SpeechFeatures(encoder, known=known), []

    def take():
        while (piece := features.next(run)) is not None:
            out.append(piece)

    for part in torch.tensor_split(audio, cuts):
        features.push(part)
        take()
    features.end()
    take()
    return torch.cat(out)


@pytest.mark.parametrize("window_samples", [400, 2000])
@pytest.mark.parametrize("num_samples", [1, 319, 640 * 7 + 319, 640 * 7 + 320, 640 * 21, 20_111])
def test_they_are_those_of_the_whole_clip(num_samples, window_samples):
    """Also at the end, where the last frame is cut or padded."""
    encoder, audio = log_mel(window_samples), speech(num_samples)
    whole = encoder(audio[None])[0]
    found = streamed(encoder, audio, run=7)
    assert found.shape == whole.shape
    torch.testing.assert_close(found, whole, atol=1e-4, rtol=1e-4)


def test_how_the_sound_came_does_not_matter():
    encoder, audio = log_mel(), speech(20_111)
    whole = streamed(encoder, audio)
    assert torch.equal(streamed(encoder, audio, cuts=tuple(range(1, 20_111, 97))), whole)
    assert torch.equal(streamed(encoder, audio, cuts=(1, 5000, 5000, 5001)), whole)


def test_a_run_is_ready_as_soon_as_its_context_is_there():
    encoder = log_mel()
    features = SpeechFeatures(encoder)
    features.push(speech(640 * 5 + encoder.context.after_samples - 1))
    assert features.next(5) is None
    features.push(speech(1))
    assert len(features.next(5)) == 5
    assert features.next(1) is None


class Recorder:
    """An encoder of one feature, each frame's mean, that keeps how much it was given."""

    dim = 1
    context = SoundContext(before_frames=3, after_samples=1280, is_exact=False)

    def __init__(self):
        self.given = []

    def __call__(self, audio):
        self.given.append(audio.shape[-1])
        return audio.reshape(1, -1, 640).mean(dim=-1, keepdim=True)


def test_the_network_is_given_its_context_and_no_more():
    encoder, audio = Recorder(), speech(640 * 24)
    found = streamed(encoder, audio, run=10)
    torch.testing.assert_close(found[:, 0], audio.reshape(-1, 640).mean(dim=1))
    assert encoder.given == [640 * (10 + 2), 640 * (3 + 10 + 2), 640 * (3 + 4)]


def test_sound_that_is_known_is_not_heard_again():
    encoder, audio, known = Recorder(), speech(640 * 24), {}
    first = streamed(encoder, audio, run=10, known=known)
    num_heard = len(encoder.given)
    assert torch.equal(streamed(encoder, audio, run=10, known=known), first)
    assert len(encoder.given) == num_heard
    streamed(encoder, audio, run=10)
    assert len(encoder.given) == 2 * num_heard


def test_the_network_hears_on_its_device():
    """A device without memory stands for another one; what it says is told on the CPU."""
    heard = []

    class There(Recorder):
        def __call__(self, audio):
            heard.append(audio.device.type)
            return torch.zeros(1, audio.shape[-1] // 640, 1)

    features = SpeechFeatures(There(), device="meta")
    features.push(speech(640 * 20))
    assert len(features.next(10)) == 10
    features.end()
    assert len(features.next(20)) == 10
    assert heard == ["meta", "meta"]


def test_memory_does_not_grow_with_the_sound():
    encoder, features = log_mel(), SpeechFeatures(log_mel())
    most = 0
    for second in range(60):
        features.push(speech(16_000, seed=second))
        most = max(most, features.num_buffered)
        while features.next(10) is not None:
            pass
    assert most <= 16_000 + 640 * 11 + encoder.context.after_samples
    assert len(features._sound._memory) <= 2 * most


@pytest.mark.parametrize(
    ("sound", "word"),
    [
        (torch.zeros(2, 100), "mono"),
        (torch.zeros(100, dtype=torch.int16), "int16"),
        (torch.full((100,), float("nan")), "finite"),
    ],
)
def test_sound_of_another_form_is_refused(sound, word):
    with pytest.raises(InputError, match=word):
        SpeechFeatures(log_mel()).push(sound)


def test_silence_is_refused_at_the_end_and_a_word_in_it_is_not():
    features = SpeechFeatures(log_mel())
    with pytest.raises(InputError, match="empty"):
        features.end()
    features.push(1e-5 * speech(16_001))
    with pytest.raises(InputError, match="silent"):
        features.end()
    features.push(speech(200))
    features.end()
    with pytest.raises(InputError, match="after its end"):
        features.push(speech(10))
    assert num_video_frames(16_201) == sum(
        len(piece) for piece in iter(lambda: features.next(9), None)
    )


def test_whisper_with_bounded_sound_is_nearly_whisper_on_the_whole(monkeypatch, weights_dir):
    """Noise that changes slowly stands for speech; see `BOUNDED` for speech itself."""
    monkeypatch.setenv("VASA_WEIGHTS", str(weights_dir))
    encoder = WhisperTiny(layer=3, chunk_frames=250, overlap_frames=25)
    tones = torch.randn(1, 16_000 * 4, generator=torch.Generator().manual_seed(0)).cumsum(dim=1)
    audio = (0.1 * (tones - tones.mean()) / tones.std())[0]
    whole, bounded = encoder(audio[None])[0], streamed(encoder, audio, run=10)
    assert bounded.shape == whole.shape
    cosine = torch.cosine_similarity(whole, bounded, dim=-1)
    assert cosine.min() > 0.75 and cosine.mean() > 0.9
