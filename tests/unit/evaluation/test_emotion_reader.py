"""Emotion is learned from pictures of some people and read off others'."""

from dataclasses import replace

import pytest
import torch

from vasa.evaluation.emotion_reader import emotion_features, fit_emotion
from vasa.evaluation.measuring import measure
from vasa.types import InputError

SIZE = 64


def face(world, *, person: int, feeling: int, seed: int):
    """Brows as bright as the feeling asks, on skin as bright as the person's."""
    clip = world.make_clip(person=person, seed=seed, num_frames=6)
    frames = torch.full((6, 3, SIZE, SIZE), 60 + 8 * (person % 9), dtype=torch.uint8)
    frames[:, :, 18:22, 8 + 6 * feeling : 14 + 6 * feeling] = 230
    emotion = torch.eye(8)[feeling].expand(6, 8)
    return replace(clip, frames=frames, emotion=emotion)


def see(world):
    landmarks = torch.zeros(68, 2)
    landmarks[36:42] = torch.tensor([20.0, 26.0])
    landmarks[42:48] = torch.tensor([44.0, 26.0])
    landmarks[48:68] = torch.tensor([32.0, 46.0])

    def instrument(image):
        blank = world.clips[0].images()[:1].expand(len(image), -1, -1, -1)
        return replace(world.instrument(blank), landmarks=landmarks.expand(len(image), 68, 2))

    return instrument


def test_what_was_learned_of_some_is_read_off_others(world):
    def clips(first):
        return [
            face(world, person=first + index, feeling=index % 4, seed=first + index)
            for index in range(16)
        ]

    instrument = see(world)
    reader = fit_emotion(
        instrument=instrument,
        train_clips=clips(0),
        val_clips=clips(100),
        frame_stride=2,
        batch_size=4,
        track=lambda items: items,
    )
    for clip in clips(200):
        images = clip.images()
        weights = reader(images, measure(instrument, images, batch_size=4))
        assert weights.shape == (6, 8)
        assert int(weights.mean(dim=0).argmax()) == int(clip.emotion[0].argmax())


def test_how_bright_a_picture_is_is_no_feature(world):
    instrument = see(world)
    images = face(world, person=0, feeling=1, seed=5).images()
    bright, dark = (
        emotion_features(pictures, measure(instrument, pictures, batch_size=6))
        for pictures in (images, images * 0.5)
    )
    assert torch.allclose(bright, dark, atol=1e-4)


def test_without_landmarks_the_user_is_told(world):
    images = world.clips[0].images()
    seen = replace(world.instrument(images), landmarks=None)
    with pytest.raises(InputError, match=r"controls\.emotions=\[\]"):
        emotion_features(images, seen)
