"""The GPU draws and moves as the CPU does: in float32, nearly so in bf16, and compiled."""

import copy
import shutil
from dataclasses import fields

import pytest
import torch

from vasa.data.schema import SAMPLES_PER_FRAME
from vasa.diffusion.sampler import DDIMSampler
from vasa.inference.speech_features import SpeechFeatures
from vasa.inference.windows import MotionSettings, generate_motion
from vasa.pretrained.audio_encoders import WhisperTiny
from vasa.types import FaceLatents

pytestmark = pytest.mark.gpu


@pytest.fixture
def images(face):
    grid = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(grid, (face.image_size,) * 2, mode="bilinear")


def _to(latents: FaceLatents, device: torch.device) -> FaceLatents:
    return FaceLatents(**{f.name: getattr(latents, f.name).to(device) for f in fields(latents)})


def _moved(net, images) -> FaceLatents:
    """The first face in the motions of all."""
    pose, dyn = net.motion(images)
    return net.encode(images[:1]).with_motion(z_pose=pose, z_dyn=dyn)


def _error(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference over the deviation of what is expected."""
    expected = expected.float().cpu()
    return float((found.float().cpu() - expected).abs().max() / expected.std().clamp(min=1e-6))


@torch.inference_mode()
def test_encode_and_decode_agree_with_the_cpu(face, images, device):
    expected = _moved(face, images)
    picture = face.decode(expected)
    there = copy.deepcopy(face).to(device)
    found = _moved(there, images.to(device))
    errors = {
        f.name: _error(getattr(found, f.name), getattr(expected, f.name)) for f in fields(found)
    }
    assert max(errors.values()) < 2e-3, errors
    drawn = there.decode(_to(expected, device))
    assert drawn.device.type == device.type
    assert _error(drawn, picture) < 2e-3


@torch.inference_mode()
def test_bf16_decode_is_close_to_float32(face, images, device):
    face = face.to(device)
    latents = _moved(face, images.to(device))
    exact = face.decode(latents)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        rough = face.decode(latents)
    assert rough.isfinite().all()
    assert float((rough.float() - exact).abs().mean()) < 0.01
    assert not torch.equal(rough.float(), exact), "bf16 was not used"


@torch.inference_mode()
def test_compiled_decode_equals_eager(face, images, device):
    if device.type == "cpu" and shutil.which("g++") is None:
        pytest.skip("needs g++ to compile for a processor")
    face = face.to(device)
    latents = _moved(face, images.to(device))
    compiled = torch.compile(face.decode, dynamic=False, fullgraph=True)
    assert _error(compiled(latents), face.decode(latents)) < 2e-3


@torch.inference_mode()
def test_compiled_decode_draws_other_motions_without_compiling_again(face, images, device):
    if device.type == "cpu" and shutil.which("g++") is None:
        pytest.skip("needs g++ to compile for a processor")
    face = face.to(device)
    latents = _moved(face, images.to(device))
    compiled = torch.compile(face.decode, dynamic=False)
    compiled(latents)
    with torch._dynamo.config.patch(error_on_recompile=True):
        turned = latents.with_motion(z_pose=latents.z_pose + 0.1, z_dyn=latents.z_dyn.flip(0))
        assert _error(compiled(turned), face.decode(turned)) < 2e-3


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_same_seed_same_motion(motion, device, eta):
    def sampled(model, audio):
        sampler = DDIMSampler(schedule=model.schedule, num_steps=20, eta=eta)
        settings = MotionSettings(guidance={"audio": 0.5, "gaze": 1.0}, sampler=sampler, seed=3)
        return generate_motion(model, audio, settings)

    generator = torch.Generator().manual_seed(1)
    audio = torch.randn(motion.window + 20, motion.audio.dim, generator=generator)
    expected = sampled(motion, audio)
    found = sampled(copy.deepcopy(motion).to(device), audio.to(device))
    assert found.device.type == device.type
    assert _error(found, expected) < 1e-2


@pytest.mark.parametrize("name", ["log_mel", "whisper"])
def test_sound_is_heard_on_the_device_as_on_the_cpu(motion, device, name, weights_dir, monkeypatch):
    """Streamed: samples come on the CPU, features lie where the motion model is."""
    monkeypatch.setenv("VASA_WEIGHTS", str(weights_dir))
    whisper = WhisperTiny(layer=3, chunk_frames=50, overlap_frames=25)
    encoder = motion.audio if name == "log_mel" else whisper
    sound = 0.1 * torch.randn(SAMPLES_PER_FRAME * 60, generator=torch.Generator().manual_seed(0))

    def heard(place):
        features = SpeechFeatures(encoder, device=place)
        features.push(sound)
        features.end()
        return features.next(60)

    expected, found = heard("cpu"), heard(device)
    assert found.device.type == device.type and found.shape == expected.shape
    assert _error(found, expected) < 1e-2
