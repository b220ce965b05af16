"""A stream gives the frames of the file, to the bit, from bounded memory."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from small_runs import save_small_runs

from vasa.data.audio_features import num_video_frames
from vasa.diffusion.sampler import DDIMSampler, DPMSolverSampler
from vasa.inference.pipeline import RenderSettings, TalkingFace
from vasa.inference.streaming import MotionStream
from vasa.inference.windows import ChunkPlan, MotionSettings, generate_motion
from vasa.models.motion_blocks import TransformerBlock
from vasa.types import InputError

LEVELS = 6
"""Of 255: what a frame drawn in bfloat16 may differ by, at most, from one drawn in float32."""
RENDER = RenderSettings(batch_size=2, start_blend_s=0.3)
PLANS = [None, ChunkPlan(hop_frames=3, lookahead_frames=2), ChunkPlan(hop_frames=1)]


@pytest.fixture(scope="module")
def face(tmp_path_factory):
    runs = save_small_runs(tmp_path_factory.mktemp("runs"))
    face = TalkingFace.load(stage1=runs / "stage1", stage2=runs / "stage2")
    for block in face.motion_model.blocks:  # untrained blocks pass on what they are given
        assert isinstance(block, TransformerBlock)
        torch.nn.init.normal_(block.modulate[1].weight, std=0.3)
    return face


@pytest.fixture(scope="module")
def image():
    return torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(1))


def settings(face, plan=None, eta=0.0):
    return MotionSettings(
        guidance={"audio": 0.5, "gaze": 1.0},
        sampler=DDIMSampler(schedule=face.motion_model.schedule, num_steps=2, eta=eta),
        seed=4,
        plan=plan,
    )


def speech(num_samples, seed=0):
    return 0.1 * torch.randn(num_samples, generator=torch.Generator().manual_seed(seed))


def cut(audio, how):
    if how == "random":
        cuts = torch.randint(len(audio), (9,), generator=torch.Generator().manual_seed(2))
        return torch.tensor_split(audio, sorted(cuts.tolist()))
    return audio.split({"whole": len(audio), "20 ms": 320, "odd": 777}[how])


def streamed(stream, chunks):
    frames = [batch for chunk in chunks for batch in stream.push(chunk)]
    return frames + list(stream.finish())


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("how", ["whole", "20 ms", "odd", "random"])
def test_a_stream_is_the_file_to_the_bit(face, image, how, plan):
    audio, asked = speech(640 * 13 + 400), settings(face, plan)
    wanted = torch.cat(list(face.frames(image, audio, motion=asked, render=RENDER)))
    stream = face.stream(image, motion=asked, render=RENDER)
    found = torch.cat(streamed(stream, cut(audio, how)))
    assert len(found) == num_video_frames(len(audio))
    assert torch.equal(found, wanted)


def test_a_stream_in_bfloat16_is_the_file_in_bfloat16(face, image):
    """And its frames are nearly those of float32; of a network whose last layers are not zeros."""
    face = TalkingFace(autoencoder=deepcopy(face.autoencoder), motion_model=face.motion_model)
    for parameter in face.autoencoder.parameters():
        if parameter.dim() > 1 and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    audio, asked = speech(640 * 7 + 100), settings(face, PLANS[1])
    half = replace(RENDER, precision="bf16-mixed")
    wanted = torch.cat(list(face.frames(image, audio, motion=asked, render=half)))
    stream = face.stream(image, motion=asked, render=half)
    assert torch.equal(torch.cat(streamed(stream, cut(audio, "odd"))), wanted)
    full = torch.cat(list(face.frames(image, audio, motion=asked, render=RENDER)))
    difference = (full.int() - wanted.int()).abs()
    assert 0 < difference.max() <= LEVELS
    assert difference.float().mean() < 0.5


def test_sample_by_sample(face, image):
    audio, asked = speech(640 * 4 + 100), settings(face, PLANS[1], eta=1.0)
    wanted = torch.cat(list(face.frames(image, audio, motion=asked, render=RENDER)))
    stream = face.stream(image, motion=asked, render=RENDER)
    assert torch.equal(torch.cat(streamed(stream, audio.split(1))), wanted)


def test_the_motion_is_that_of_the_features_of_the_whole_clip(face):
    """The whole way, written without a stream: only rounding tells the two apart."""
    audio, asked = speech(640 * 23 + 150), settings(face, PLANS[1])
    features = face.motion_model.audio(audio[None])[0]
    with torch.inference_mode():
        wanted = generate_motion(face.motion_model, features, asked)
    torch.testing.assert_close(face.motion_for(audio, asked), wanted, atol=1e-4, rtol=1e-4)


def test_the_pictures_are_those_of_the_whole_motion(face, image):
    """The start blend goes on from piece to piece."""
    audio, asked = speech(640 * 12), settings(face, PLANS[1])
    wanted = face.render(image, face.motion_for(audio, asked), RENDER)
    found = torch.cat(list(face.frames(image, audio, motion=asked, render=RENDER)))
    assert (found.int() - wanted.int()).abs().max() <= 1


def test_frames_come_while_it_is_spoken(face, image):
    stream = face.stream(image, motion=settings(face, PLANS[1]), render=RENDER)
    needed = round(stream.first_audio_s * 16_000)
    assert needed == 640 * 5 + 320
    audio = speech(16_000)
    assert list(stream.push(audio[: needed - 1])) == []
    assert [len(batch) for batch in stream.push(audio[needed - 1 : needed])] == [2, 1]


def test_frames_that_were_not_taken_come_later(face, image):
    audio, asked = speech(640 * 20), settings(face, PLANS[1])
    wanted = torch.cat(list(face.frames(image, audio, motion=asked, render=RENDER)))
    stream = face.stream(image, motion=asked, render=RENDER)
    first = next(iter(stream.push(audio[:12_000])))
    stream.push(audio[12_000:])
    found = torch.cat([first, *stream.finish()])
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("num_samples", [1, 300, 3200, 640 * 6])
def test_short_speech_ends_in_a_partial_window(face, image, num_samples):
    """0.2 s are 3200 samples, 5 frames."""
    stream = face.stream(image, motion=settings(face), render=RENDER)
    audio = speech(num_samples)
    frames = torch.cat(streamed(stream, [audio]))
    assert len(frames) == num_video_frames(num_samples)
    asked = settings(face)
    assert torch.equal(
        frames, torch.cat(list(face.frames(image, audio, motion=asked, render=RENDER)))
    )


def test_silence_is_refused_as_it_is_of_a_file(face, image):
    asked = {"motion": settings(face, PLANS[1]), "render": RENDER}
    for audio, word in ((torch.zeros(0), "empty"), (torch.zeros(8000), "silent")):
        with pytest.raises(InputError, match=word):
            face.frames(image, audio, **asked)
        stream = face.stream(image, **asked)
        list(stream.push(audio))
        with pytest.raises(InputError, match=word):
            stream.finish()


def test_a_silent_start_is_no_silence(face, image):
    audio, asked = torch.cat((torch.zeros(8000), speech(4000))), settings(face, PLANS[1])
    wanted = torch.cat(list(face.frames(image, audio, motion=asked, render=RENDER)))
    stream = face.stream(image, motion=asked, render=RENDER)
    early = list(stream.push(audio[:8000]))
    assert early
    found = [*early, *streamed(stream, [audio[8000:]])]
    assert torch.equal(torch.cat(found), wanted)


def test_after_the_end_there_is_nothing(face, image):
    stream = face.stream(image, motion=settings(face), render=RENDER)
    assert streamed(stream, [speech(5000)])
    assert list(stream.finish()) == []
    with pytest.raises(InputError, match="after its end"):
        stream.push(speech(10))


def test_what_is_held_does_not_grow(face):
    """Ten minutes' worth of chunks would hold no more than ten seconds' worth."""
    plan = ChunkPlan(hop_frames=4, lookahead_frames=2)
    asked = MotionSettings(
        guidance={},
        sampler=DPMSolverSampler(schedule=face.motion_model.schedule, num_steps=1),
        seed=0,
        plan=plan,
    )
    stream = MotionStream(face.motion_model, asked)

    def held():
        tensors = [stream._heard, *(stream.windows._before or ()), stream.features._sound._memory]
        return sum(tensor.untyped_storage().nbytes() for tensor in tensors if tensor is not None)

    most_sound, sizes, chunk = 0, [], 800
    for index in range(400):
        stream.push(speech(chunk, seed=index))
        most_sound = max(most_sound, stream.features.num_buffered)
        while stream.next() is not None:
            pass
        sizes.append(held())
    after = stream.features.lookahead_samples
    assert most_sound <= 640 * (1 + plan.window_frames) + after + chunk
    assert max(sizes[200:]) <= max(sizes[:200])


def test_an_edit_changes_the_pictures_and_not_what_follows(face, image):
    audio, asked = speech(640 * 14), settings(face, PLANS[1])
    seen = []

    def still(motion, start):
        seen.append((start, motion.clone()))
        return torch.cat((torch.zeros_like(motion[:, :6]), motion[:, 6:]), dim=1)

    frames = face.frames(image, audio, motion=asked, render=RENDER, edit=still)
    edited = torch.cat(list(frames))
    assert [start for start, _ in seen] == [0, 3, 6, 9, 12]
    assert torch.equal(torch.cat([motion for _, motion in seen]), face.motion_for(audio, asked))
    plain = torch.cat(list(face.frames(image, audio, motion=asked, render=RENDER)))
    assert not torch.equal(edited, plain)
