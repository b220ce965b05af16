"""One synthetic clip: speech, the motion with it, pictures, and the truth of every frame."""

from dataclasses import dataclass

import numpy as np

from data_prep.synth.identity import Identity, sample_identity
from data_prep.synth.landmarks import landmarks
from data_prep.synth.motion import MotionTrack, motion_track
from data_prep.synth.render import Renderer
from data_prep.synth.sentences import sentences
from data_prep.synth.speech import SAMPLE_RATE, Phoneme, speak
from data_prep.synth.state import FaceState, mouth_truth
from data_prep.synth.visemes import MouthTrack, mouth_track, phoneme_labels
from vasa.data.schema import FPS, SAMPLES_PER_FRAME, FaceClip, FaceLabels

PERSON_OFFSET = {"train": 0, "val": 100_000, "test": 200_000}
SOURCE, LICENCE = "synth", "CC0-1.0"


@dataclass(frozen=True, kw_only=True)
class ClipSpec:
    """Which clip: everything else follows from these by generators of (seed, person, clip).

    Attributes:
        split: train, val or test.
        person: number within the split.
        clip: number within the person.
        size: picture's height and width (px).
        seconds: length; rounded to whole frames.
        seed: of the whole set.
    """

    split: str
    person: int
    clip: int
    size: int
    seconds: float
    seed: int

    @property
    def speaker(self) -> str:
        """The person's name in the shards."""
        return f"s{PERSON_OFFSET[self.split] + self.person:06d}"

    def identity(self) -> Identity:
        """The person's constants."""
        return sample_identity(seed=self.seed, person=PERSON_OFFSET[self.split] + self.person)

    def generator(self, stream: int) -> np.random.Generator:
        """The clip's own randomness."""
        return np.random.default_rng(
            [self.seed, 31 + stream, PERSON_OFFSET[self.split] + self.person, self.clip]
        )


@dataclass(frozen=True, kw_only=True)
class Speech:
    """A clip's sound: samples `640 t`, phonemes in clip time, and what is said."""

    audio: np.ndarray
    phonemes: tuple[Phoneme, ...]
    said: tuple[tuple[int, str], ...]


def clip_speech(spec: ClipSpec, *, who: Identity) -> Speech:
    """Sentences of the clip's split, one after another with pauses, cut to the clip's length."""
    rng = spec.generator(0)
    num_frames = max(round(spec.seconds * FPS), 1)
    audio = np.zeros(num_frames * SAMPLES_PER_FRAME, np.float32)
    length_s = len(audio) / SAMPLE_RATE
    pool = sentences()[spec.split]
    at = rng.uniform(0.15, 0.45) if rng.uniform() < 0.4 else rng.uniform(0.02, 0.1)
    # each person walks through the sentences from an own place, so that all are spoken
    number, stride = int(rng.integers(len(pool))), 1 + 2 * int(rng.integers(len(pool) // 2))
    phonemes: list[Phoneme] = []
    said = []
    while at < length_s - 0.6 or not said:
        sentence_id, text = pool[number % len(pool)]
        spoken = speak(text=text, voice=who.voice, rate=who.voice_rate, pitch=who.voice_pitch)
        first = round(at * SAMPLE_RATE)
        part = spoken.audio[: len(audio) - first]
        audio[first : first + len(part)] += part
        for sound in spoken.phonemes:
            if sound.start_s + at < length_s:
                phonemes.append(
                    Phoneme(
                        name=sound.name,
                        start_s=sound.start_s + at,
                        end_s=min(sound.end_s + at, length_s),
                        is_stressed=sound.is_stressed,
                    )
                )
        said.append((sentence_id, text))
        number += stride
        at += len(spoken.audio) / SAMPLE_RATE + rng.uniform(0.12, 0.4)
    fade = min(160, len(audio))
    audio[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    loudness = np.float32(rng.uniform(0.7, 1.0))
    audio = loudness * audio + rng.normal(0.0, 4e-4, len(audio)).astype(np.float32)
    return Speech(audio=np.clip(audio, -1, 1), phonemes=tuple(phonemes), said=tuple(said))


def frame_state(*, mouth: MouthTrack, motion: MotionTrack, frame: int) -> FaceState:
    """The face of one frame."""
    return FaceState(
        pose=motion.pose[frame],
        opening=float(mouth.opening[frame]),
        stretch=float(mouth.stretch[frame]),
        rounding=float(mouth.rounding[frame]),
        teeth=float(mouth.teeth[frame]),
        tuck=float(mouth.tuck[frame]),
        tongue=float(mouth.tongue[frame]),
        gaze=motion.gaze[frame],
        blink=float(motion.blink[frame]),
        brow_raise=float(motion.brow_raise[frame]),
        brow_frown=float(motion.brow_frown[frame]),
        emotion=motion.emotion[frame],
    )


def make_clip(spec: ClipSpec) -> FaceClip:
    """Speak, move, draw and label one clip."""
    who = spec.identity()
    speech = clip_speech(spec, who=who)
    num_frames = len(speech.audio) // SAMPLES_PER_FRAME
    timing = {"phonemes": speech.phonemes, "num_frames": num_frames, "fps": FPS}
    mouth = mouth_track(**timing, articulation=who.articulation)
    motion = motion_track(rng=spec.generator(1), **timing)
    renderer = Renderer(who=who, size=spec.size)
    states = [frame_state(mouth=mouth, motion=motion, frame=i) for i in range(num_frames)]
    drawn = [renderer.render(state) for state in states]
    points = [landmarks(who=who, tables=renderer.tables, state=s, size=spec.size) for s in states]
    labels = FaceLabels(
        landmarks=np.stack(points),
        pose=motion.pose,
        gaze=motion.gaze,
        blink=motion.blink,
        emotion=motion.emotion,
        quality=np.ones(num_frames, np.float32),
        valid=np.ones(num_frames, bool),
        mouth=np.stack([mouth_truth(who, state) for state in states]),
        phoneme=phoneme_labels(**timing),
        regions=np.stack([picture.regions for picture in drawn]),
    )
    extra = {
        "sentence_id": speech.said[0][0],
        "sentence_ids": [number for number, _ in speech.said],
        "sentence": " ".join(text for _, text in speech.said),
        "voice": who.voice,
        "identity": who.to_dict(),
    }
    return FaceClip(
        key=f"{spec.speaker}/v0/{spec.clip:03d}",
        speaker=spec.speaker,
        split=spec.split,
        source=SOURCE,
        licence=LICENCE,
        frames=np.stack([picture.image for picture in drawn]),
        audio=speech.audio,
        labels=labels,
        extra=extra,
    )
