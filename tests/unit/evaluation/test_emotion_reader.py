"""Who reads emotion off frames."""

from dataclasses import replace

import pytest
import torch

from vasa.evaluation.emotion_reader import MeasuredEmotion
from vasa.types import InputError


def test_emotion_is_what_the_instrument_measured(world):
    images = world.clips[0].images()
    emotion = torch.rand(len(images), 8)
    seen = replace(world.instrument(images), emotion=emotion)
    assert torch.equal(MeasuredEmotion()(images, seen), emotion.double())


def test_of_an_instrument_without_emotion_the_user_is_told(world):
    images = world.clips[0].images()
    with pytest.raises(InputError, match=r"controls\.emotions=\[\]"):
        MeasuredEmotion()(images, replace(world.instrument(images), emotion=None))
