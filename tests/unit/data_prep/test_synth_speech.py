"""Speech and what it does to the mouth."""

import numpy as np
import pytest

from data_prep.synth.clip import ClipSpec, clip_speech
from data_prep.synth.sentences import NUM_SENTENCES, sentences
from data_prep.synth.speech import SAMPLE_RATE, speak
from data_prep.synth.visemes import LIP_CLOSURES, mouth_track, phoneme_labels, visemes_of


@pytest.fixture(scope="module")
def spoken():
    made = []
    for person in range(12):
        spec = ClipSpec(split="train", person=person, clip=0, size=64, seconds=3.0, seed=0)
        made.append(clip_speech(spec, who=spec.identity()))
    return made


def test_sentences_are_many_and_split_apart():
    split = sentences()
    ids = [number for part in split.values() for number, _ in part]
    texts = [text for part in split.values() for _, text in part]
    assert len(ids) == len(set(ids)) == len(set(texts)) == NUM_SENTENCES
    assert len(split["test"]) >= 50 and len(split["val"]) >= 20


def test_same_call_same_samples_whatever_came_before():
    say = {"text": "Bob bought a purple balloon.", "voice": "en-us+f2", "rate": 160, "pitch": 50}
    first = speak(**say)
    speak(text="Something else.", voice="en-us+m3", rate=120, pitch=70)
    again = speak(**say)
    assert np.array_equal(first.audio, again.audio) and first.phonemes == again.phonemes


def test_unknown_voice_is_an_error():
    with pytest.raises(RuntimeError, match="no voice"):
        speak(text="Hello.", voice="xx-none", rate=160, pitch=50)


def test_phoneme_times_agree_with_the_sound(spoken):
    """Silence is quiet, vowels are loud, s hisses: measured on the samples between the times."""
    loud, high = {}, {}
    for speech in spoken:
        level = np.sqrt((speech.audio**2).mean())
        for sound in speech.phonemes:
            part = speech.audio[
                round(sound.start_s * SAMPLE_RATE) : round(sound.end_s * SAMPLE_RATE)
            ]
            if len(part) < 200:
                continue
            power = np.abs(np.fft.rfft(part)) ** 2
            loud.setdefault(sound.name, []).append(np.sqrt((part**2).mean()) / level)
            high.setdefault(sound.name, []).append(
                power[int(0.45 * len(power)) :].sum() / power.sum()
            )
    assert np.mean(loud["_"]) < 0.1 < 0.8 < np.mean(loud["a"])
    assert np.mean(loud["p"]) < 0.5 * np.mean(loud["a"])
    assert np.mean(high["s"]) > 0.5 and np.mean(high["a"]) < 0.1


def test_phonemes_are_in_order_and_inside_the_clip(spoken):
    for speech in spoken:
        starts = [sound.start_s for sound in speech.phonemes]
        assert starts == sorted(starts)
        assert speech.phonemes[-1].end_s <= len(speech.audio) / SAMPLE_RATE + 1e-9
        assert len(speech.audio) == 75 * 640


def test_closed_on_p_b_m_open_on_a(spoken):
    closed, opened = [], []
    for speech in spoken:
        timing = {"phonemes": speech.phonemes, "num_frames": 75, "fps": 25}
        mouth = mouth_track(**timing, articulation=1.0)
        label = phoneme_labels(**timing)
        closed += list(mouth.opening[np.isin(label, list(LIP_CLOSURES))])
        opened += list(mouth.opening[np.isin(label, ["a", "aa", "0", "A:", "aI"])])
        assert mouth.opening.min() >= 0 and mouth.opening.max() <= 0.32
    assert len(closed) > 30 and len(opened) > 30
    assert np.quantile(closed, 0.9) < 0.03
    assert np.median(opened) > 0.17


def test_rounding_and_tuck_follow_their_sounds(spoken):
    found = {"rounding": ([], []), "tuck": ([], [])}
    for speech in spoken:
        timing = {"phonemes": speech.phonemes, "num_frames": 75, "fps": 25}
        mouth = mouth_track(**timing, articulation=1.0)
        label = phoneme_labels(**timing)
        for name, sounds in (("rounding", ["w", "u:", "O:"]), ("tuck", ["f", "v"])):
            is_on = np.isin(label, sounds)
            found[name][0].extend(getattr(mouth, name)[is_on])
            found[name][1].extend(getattr(mouth, name)[np.isin(label, ["a", "i:", "s"])])
    for with_sound, without in found.values():
        assert np.mean(with_sound) > np.mean(without) + 0.35


def test_every_phoneme_has_a_mouth():
    assert visemes_of("A:") and visemes_of("nonsense") and visemes_of("")
