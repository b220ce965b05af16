import contextlib
from pathlib import Path

import pytest
import torch

from vasa.pretrained import audio_encoders
from vasa.pretrained.audio_encoders import (
    WAV2VEC2_FILE,
    Wav2Vec2,
    WhisperTiny,
    load_wav2vec2,
    require_wav2vec2,
    wav2vec2_features,
)
from vasa.types import InputError


@pytest.fixture
def no_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("VASA_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("vasa.pretrained.registry.USER_CACHE", tmp_path / "cache")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path


@pytest.fixture
def whisper(monkeypatch, weights_dir):
    monkeypatch.setenv("VASA_WEIGHTS", str(weights_dir))
    return WhisperTiny(layer=3, chunk_frames=50, overlap_frames=25)


def small_wav2vec2():
    """torchaudio's model at a small width, with the stem (strides, kernels) of the base one."""
    torchaudio_models = pytest.importorskip("torchaudio.models")
    torch.manual_seed(0)
    return torchaudio_models.wav2vec2_model(
        extractor_mode="group_norm",
        extractor_conv_layer_config=[(16, 10, 5)] + [(16, 3, 2)] * 4 + [(16, 2, 2)] * 2,
        extractor_conv_bias=False,
        encoder_embed_dim=24,
        encoder_projection_dropout=0.0,
        encoder_pos_conv_kernel=16,
        encoder_pos_conv_groups=4,
        encoder_num_layers=2,
        encoder_num_heads=2,
        encoder_attention_dropout=0.0,
        encoder_ff_interm_features=48,
        encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.0,
        encoder_layer_norm_first=False,
        encoder_layer_drop=0.0,
        aux_num_out=None,
    ).eval()


@pytest.mark.parametrize(
    ("encoder", "file"),
    [
        (WhisperTiny(layer=3, chunk_frames=50, overlap_frames=5), "whisper_tiny_en_encoder.pt"),
        (Wav2Vec2(layer=9), WAV2VEC2_FILE),
    ],
)
def test_missing_weights_say_what_is_wanted(no_weights, encoder, file):
    with pytest.raises(InputError) as caught:
        encoder(torch.zeros(1, 16_000))
    message = str(caught.value)
    assert all(word in message for word in (file, "licence", "MIT", "VASA_WEIGHTS"))


def test_wav2vec2_loads_a_file_of_its_form(tmp_path):
    net = small_wav2vec2()
    torch.save(net.state_dict(), tmp_path / WAV2VEC2_FILE)
    other = small_wav2vec2()
    with torch.no_grad():
        next(other.parameters()).zero_()
    loaded = load_wav2vec2(tmp_path / WAV2VEC2_FILE, other)
    audio = 0.1 * torch.randn(1, 6400)
    expected = wav2vec2_features(net, audio, layer=2)
    torch.testing.assert_close(wav2vec2_features(loaded, audio, layer=2), expected)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


@pytest.mark.parametrize("content", [b"no weights", None])
def test_a_file_of_another_form_is_refused(tmp_path, content):
    path = tmp_path / WAV2VEC2_FILE
    if content is None:
        torch.save({"some.weight": torch.zeros(3)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match="Wav2Vec2 base weights"):
        load_wav2vec2(path, small_wav2vec2())


def test_wav2vec2_gives_one_vector_a_frame_at_its_time():
    net = small_wav2vec2()
    for num_frames in (1, 7, 30):
        features = wav2vec2_features(net, torch.randn(2, 640 * num_frames), layer=1)
        assert features.shape == (2, num_frames, 24)


def test_wav2vec2_stem_hears_a_click_in_its_frame():
    """Random convolutions spread a click over what they see: 400 samples around the right place."""
    net = small_wav2vec2()
    with torch.no_grad():
        for layer in net.feature_extractor.conv_layers:
            layer.conv.weight.abs_()
            layer.layer_norm = None
    audio = torch.zeros(1, 640 * 20)
    audio[0, 640 * 9 + 320] = 1.0
    padded = torch.nn.functional.pad(audio, (40, 40))
    with torch.no_grad():
        energy = net.feature_extractor(padded, None)[0].sum(dim=-1)[0]
    quiet = net.feature_extractor(torch.zeros_like(padded), None)[0].sum(dim=-1)[0].detach()
    heard = ((energy - quiet).abs() > 1e-6).nonzero().flatten() // 2
    assert set(heard.tolist()) == {9}


def test_descriptions_name_the_weights(no_weights, weights_dir, monkeypatch):
    monkeypatch.setenv("VASA_WEIGHTS", str(weights_dir))
    assert (
        "sha256=793f014bda6bf446"
        in WhisperTiny(layer=3, chunk_frames=50, overlap_frames=5).describe()
    )
    (no_weights / WAV2VEC2_FILE).write_bytes(b"x")
    monkeypatch.setenv("VASA_WEIGHTS", str(no_weights))
    assert "sha256=" in Wav2Vec2(layer=9).describe()


def test_wav2vec2_is_found_where_torchaudio_downloads_it(no_weights, monkeypatch):
    """By the bundle's own code, which must look up the same file in the same folder."""
    utils = pytest.importorskip("torchaudio.pipelines._wav2vec2.utils")
    asked = []

    def download(url, model_dir=None, **settings):
        asked.append(Path(model_dir or Path(torch.hub.get_dir()) / "checkpoints") / Path(url).name)
        return {}

    bundle = pytest.importorskip("torchaudio.pipelines").WAV2VEC2_BASE
    monkeypatch.setattr(utils, "load_state_dict_from_url", download)
    utils._get_state_dict(bundle._path, {})
    (downloaded,) = asked
    assert downloaded.is_relative_to(no_weights)
    with pytest.raises(InputError, match=str(downloaded.parent)):
        require_wav2vec2()
    downloaded.parent.mkdir(parents=True)
    downloaded.write_bytes(b"downloaded")
    assert require_wav2vec2() == downloaded
    (no_weights / WAV2VEC2_FILE).write_bytes(b"chosen")
    assert require_wav2vec2() == no_weights / WAV2VEC2_FILE


def test_whisper_goes_to_its_sound_before_it_hears_anything(monkeypatch):
    """The spectrogram, too, is made by the file's own tensors; `meta` stands for a GPU."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())

    class Net:
        device = torch.device("cpu")

        def to(self, device):
            self.device = device
            return self

        def log_mel(self, audio):
            assert audio.device == self.device
            return audio.new_zeros(1, 80, audio.shape[-1] // 160)

        def __call__(self, mel):
            assert mel.device == self.device
            return None, mel.new_zeros(1, 5, mel.shape[-1] // 2, 384)

    encoder = object.__new__(audio_encoders._WhisperEncoder)
    encoder.net, encoder._device = Net(), torch.device("cpu")
    for device in ("meta", "cpu"):
        hidden = encoder.hidden(torch.zeros(1, 640 * 5, device=device), chunk=3, overlap=1)
        assert hidden.device.type == device and hidden.shape == (1, 5, 10, 384)


def test_whisper_is_a_vector_a_frame(whisper):
    torch.manual_seed(0)
    for num_samples, frames in ((640, 1), (16_000, 25), (16_300, 25), (96_000, 150)):
        features = whisper(0.05 * torch.randn(1, num_samples))
        assert features.shape == (1, frames, whisper.dim)
        assert torch.isfinite(features).all()


def test_whisper_hears_a_burst_at_its_time(whisper):
    torch.manual_seed(0)
    quiet = 1e-3 * torch.randn(1, 640 * 60)
    burst = quiet.clone()
    burst[0, 640 * 30 : 640 * 33] += 0.3 * torch.randn(640 * 3)
    # the loudest moment sets the scale of the whole clip, so both get one far away
    for audio in (quiet, burst):
        audio[0, 640 * 2 : 640 * 3] = 0.3
    stem = WhisperTiny(layer=0, chunk_frames=60, overlap_frames=0)
    change = (stem(burst) - stem(quiet))[0].norm(dim=-1)
    change[:6] = 0
    assert 30 <= int(change.argmax()) <= 32


def test_whisper_in_parts_is_nearly_whisper_on_the_whole(whisper):
    generator = torch.Generator().manual_seed(0)
    tones = torch.randn(1, 16_000 * 4, generator=generator).cumsum(dim=1)
    audio = 0.1 * (tones - tones.mean()) / tones.std()
    whole = WhisperTiny(layer=3, chunk_frames=500, overlap_frames=0)(audio)
    parts = whisper(audio)
    cosine = torch.cosine_similarity(whole, parts, dim=-1)
    assert cosine.min() > 0.8 and cosine.mean() > 0.95
    assert audio_encoders.MEL_FRAMES_PER_FRAME == 4
