import json
from dataclasses import replace

import pytest
import torch
from PIL import Image
from small_runs import save_small_runs

from vasa.diffusion.sampler import DDIMSampler
from vasa.diffusion.schedule import NoiseSchedule
from vasa.inference.face_locator import ExpertLocator
from vasa.inference.picture import read_picture
from vasa.inference.pipeline import RenderSettings, TalkingFace
from vasa.inference.rendering import Renderer, blend_from
from vasa.inference.sound import check_speech
from vasa.inference.windows import MotionSettings
from vasa.models.checkpoint import load_model, save_model
from vasa.types import FaceMeasurements, InputError

RENDER = RenderSettings(batch_size=7, start_blend_s=0.2)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return save_small_runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def face(runs):
    return TalkingFace.load(stage1=runs / "stage1", stage2=runs / "stage2")


def motion_settings(face, seed=0):
    return MotionSettings(
        guidance={"audio": 0.5, "gaze": 1.0},
        sampler=DDIMSampler(schedule=face.motion_model.schedule, num_steps=2, eta=0.0),
        seed=seed,
    )


def speech(num_samples):
    return 0.1 * torch.randn(num_samples, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("num_samples", [300, 640 * 3 + 200, 640 * 12, 640 * 25 + 400])
def test_a_video_is_as_long_as_its_sound(face, num_samples):
    frames = face.generate(
        torch.rand(3, 64, 64), speech(num_samples), motion=motion_settings(face), render=RENDER
    )
    assert frames.dtype == torch.uint8 and frames.shape[1:] == (3, 64, 64)
    assert abs(len(frames) - num_samples / 640) <= 1


def test_generation_is_a_function_of_the_seed(face):
    image, audio = torch.rand(3, 64, 64), speech(6400)
    first, again, other = (
        face.motion_for(audio, motion_settings(face, seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(face.render(image, first, RENDER), face.render(image, again, RENDER))


def test_batches_do_not_change_the_pictures(face):
    image, motion = torch.rand(3, 64, 64), face.motion_for(speech(6400), motion_settings(face))
    one = face.render(image, motion, RenderSettings(batch_size=1, start_blend_s=0.0))
    all_at_once = face.render(image, motion, RenderSettings(batch_size=50, start_blend_s=0.0))
    assert (one.int() - all_at_once.int()).abs().max() <= 1


def test_a_compiled_renderer_draws_the_same_and_always_whole_batches(face, monkeypatch):
    """The compiler is stood in for by one that only traces; a graph is of one size."""
    compiled, sizes = torch.compile, []

    def traced(decode, **options):
        graph = compiled(decode, backend="aot_eager", **options)
        return lambda latents: sizes.append(len(latents.z_dyn)) or graph(latents)

    monkeypatch.setattr(torch, "compile", traced)
    monkeypatch.setattr("vasa.inference.rendering.shutil.which", lambda name: "/usr/bin/" + name)
    image, motion = torch.rand(3, 64, 64), face.motion_for(speech(6400), motion_settings(face))
    plain = face.render(image, motion, RENDER)
    drawn = face.render(image, motion, replace(RENDER, is_compiled=True))
    assert sizes == [7, 7] and len(drawn) == len(plain) == 10
    assert (drawn.int() - plain.int()).abs().max() <= 1


def test_settings_that_cannot_be_drawn_with_are_refused(face, monkeypatch):
    image = torch.rand(3, 64, 64)
    with pytest.raises(InputError, match="render.precision.*32-true.*'16-mixed'"):
        Renderer(face.autoencoder, image, replace(RENDER, precision="16-mixed"))
    monkeypatch.setattr("vasa.inference.rendering.shutil.which", lambda name: None)
    with pytest.raises(InputError, match=r"C\+\+ compiler"):
        Renderer(face.autoencoder, image, replace(RENDER, is_compiled=True))


def test_the_source_is_encoded_once(face, monkeypatch):
    calls = []
    encode = face.autoencoder.encode
    monkeypatch.setattr(
        face.autoencoder, "encode", lambda image: calls.append(len(image)) or encode(image)
    )
    face.render(
        torch.rand(3, 80, 80), face.motion_for(speech(12800), motion_settings(face)), RENDER
    )
    assert calls == [1]


def test_blend_starts_at_the_source_and_ends_where_it_was_generated():
    source, z_pose = torch.randn(1, 6), torch.randn(20, 6)
    blended = blend_from(source, z_pose, num_frames=8)
    torch.testing.assert_close(blended[0], source[0])
    assert torch.equal(blended[8:], z_pose[8:])
    assert torch.equal(blend_from(source, z_pose, num_frames=0), z_pose)


def test_a_stage_2_of_another_stage_1_is_refused(runs, tmp_path):
    other = load_model(runs / "stage1")
    with torch.no_grad():
        next(other.parameters()).add_(1)
    config = json.loads((runs / "stage1" / "model" / "config.json").read_text())
    save_model(other, config, tmp_path / "model")
    with pytest.raises(InputError, match="was trained on"):
        TalkingFace.load(stage1=tmp_path, stage2=runs / "stage2")


def test_runs_in_the_wrong_place_are_refused(runs, tmp_path):
    with pytest.raises(InputError, match="stage-1 run"):
        TalkingFace.load(stage1=runs / "stage2", stage2=runs / "stage2")
    with pytest.raises(InputError, match="stage-2 run"):
        TalkingFace.load(stage1=runs / "stage1", stage2=runs / "stage1")
    with pytest.raises(InputError, match="no model at"):
        TalkingFace.load(stage1=tmp_path / "nowhere", stage2=runs / "stage2")


@pytest.mark.parametrize(
    ("audio", "word"),
    [
        (torch.zeros(0), "empty"),
        (torch.zeros(16_000), "silent"),
        (1e-5 * torch.randn(16_000), "silent"),
        (torch.full((16_000,), float("nan")), "finite"),
    ],
)
def test_sound_without_speech_is_refused(audio, word):
    with pytest.raises(InputError, match=word):
        check_speech(audio)


def test_a_word_in_much_silence_is_speech():
    audio = torch.zeros(160_000)
    audio[80_000:84_000] = 0.01 * torch.randn(4000)
    check_speech(audio)


class BrightIsAFace:
    """A stand-in expert: bright pictures are faces."""

    def __call__(self, image):
        zeros = torch.zeros(len(image), 2)
        return FaceMeasurements(
            identity=zeros,
            pose=torch.zeros(len(image), 6),
            mouth=zeros,
            gaze=zeros,
            blink=zeros[:, 0],
            presence=image.mean(dim=(1, 2, 3)) - 0.5,
        )


def test_the_expert_decides_whether_there_is_a_face():
    locate = ExpertLocator(expert=BrightIsAFace())
    image = torch.zeros(3, 40, 80)
    image[:, :, 20:60] = 0.9
    found = locate(image, size=20)
    torch.testing.assert_close(found.crop, torch.full((3, 20, 20), 0.9))
    assert found.square.centre.tolist() == [[40, 20]] and found.square.side.tolist() == [40]
    with pytest.raises(InputError, match="expected a face"):
        locate(1 - image, size=20)


def test_pictures_of_all_kinds_are_read(tmp_path):
    pixels = Image.new("RGB", (8, 6), (255, 0, 0))
    for mode, name in (("RGB", "a.png"), ("L", "b.png"), ("P", "c.png"), ("RGB", "d.jpg")):
        pixels.convert(mode).save(tmp_path / name)
        assert read_picture(tmp_path / name).shape == (3, 6, 8)
    Image.new("RGBA", (8, 6), (0, 0, 0, 0)).save(tmp_path / "e.png")
    torch.testing.assert_close(read_picture(tmp_path / "e.png"), torch.ones(3, 6, 8))
    for name, content in (("f.png", b""), ("g.png", b"not a picture"), ("h.png", _half(tmp_path))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="could not read"):
            read_picture(tmp_path / name)
    with pytest.raises(InputError, match="found none"):
        read_picture(tmp_path / "nothing.png")


def _half(folder):
    Image.effect_noise((64, 64), 80).save(folder / "noise.png")
    content = (folder / "noise.png").read_bytes()
    return content[: len(content) // 2]


def test_the_schedule_of_the_saved_model_is_the_trained_one(face):
    assert face.motion_model.schedule == NoiseSchedule(name="cosine", num_timesteps=1000)
