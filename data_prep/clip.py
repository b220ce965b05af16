"""One raw clip to face clips: a pure function of the file and the recipe."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from data_prep.container import ClipFacts, check_file, probe
from data_prep.crop import SteadyCrop, crop_frames
from data_prep.decode import stream_frames
from data_prep.decode_sound import read_sound
from data_prep.drops import Dropped, Reason
from data_prep.experts import PrepExperts
from data_prep.labels import carried_into_crop, face_labels, label_controls, label_measures
from data_prep.layouts import ClipSource
from data_prep.picture_quality import blockiness, brightness
from data_prep.same_person import identity_spread
from data_prep.settings import ClipRecipe, PictureSettings
from data_prep.shots import mark_cuts
from data_prep.sound_quality import SoundQuality, level_db, measure_sound
from data_prep.spans import LostSpan, Span, choose_spans, filled_landmarks
from data_prep.step_clock import StepClock
from data_prep.sync_check import Placement
from data_prep.track import FaceTrack, FaceTracker
from vasa.data.schema import FPS, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, FaceClip

_LOOK_EVERY = 12


@dataclass(frozen=True, kw_only=True)
class DropRow:
    """A row of `dropped.parquet`."""

    key: str
    reason: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class _Tracked:
    """What is known of a file before its spans are cut out.

    Attributes:
        facts: of the container.
        sound: at 16 kHz from the first picture on, `n`.
        speech: frames with speech, `t`.
        track: its main face.
        landmarks: of the track without gaps, `t 478 3`.
    """

    facts: ClipFacts
    sound: np.ndarray
    speech: np.ndarray
    track: FaceTrack
    landmarks: np.ndarray


def prepare_clip(
    source: ClipSource, recipe: ClipRecipe, experts: PrepExperts, clock: StepClock
) -> Iterator[FaceClip | DropRow]:
    """Face clips of one file in order, one at a time, and what is left out of it with the reasons.

    Args:
        source: the file, or a stretch of it.
        recipe: what it becomes.
        experts: the networks that measure it.
        clock: counts the steps' CPU seconds.
    """
    try:
        known = _look_at(source, recipe, experts, clock)
        with clock.step("spans"):
            spans = choose_spans(
                known.track,
                known.landmarks,
                clip=recipe.clip,
                face=recipe.face,
                follow=recipe.track,
            )
    except Dropped as drop:
        yield DropRow(key=source.key, reason=str(drop.reason), detail=drop.detail)
        return
    pictures = clock.each("decode", _pictures(source))
    at, number = 0, 0
    for span in spans:
        key = f"{source.key}/frames-{span.start}-{span.stop}" if len(spans) > 1 else source.key
        try:
            if isinstance(span, LostSpan):
                raise Dropped(span.reason, span.detail)
            stop = min(span.stop, len(known.sound) // SAMPLES_PER_FRAME)
            if stop - span.start < recipe.clip.min_frames:
                seconds = len(known.sound) / SAMPLE_RATE_HZ
                raise Dropped(Reason.TOO_SHORT, f"sound ends after {seconds:.2f} s")
            looks: list[float] = []
            with clock.step("crop"):
                frames = crop_frames(
                    _watched(pictures, span.crop, looks),
                    span.crop,
                    start=span.start - at,
                    stop=stop - at,
                    size=recipe.size,
                    chunk=recipe.track.chunk_frames,
                )
            at = stop
            cut = _Cut(span=span, stop=stop, frames=frames, blockiness=float(np.mean(looks)))
            yield _make_clip(source, number, cut, known, recipe, experts, clock)
            number += 1
        except Dropped as drop:
            yield DropRow(key=key, reason=str(drop.reason), detail=drop.detail)


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """A span's crops, uint8 `t size size 3` up to frame `stop`, and its source's blockiness."""

    span: Span
    stop: int
    frames: np.ndarray
    blockiness: float


def _pictures(source: ClipSource) -> Iterator[np.ndarray]:
    return stream_frames(
        source.path, start_s=source.start_s, end_s=source.end_s, region=source.region
    )


def _watched(
    pictures: Iterator[np.ndarray], crop: SteadyCrop, looks: list[float]
) -> Iterator[np.ndarray]:
    """Pictures as they come; now and then the face's blockiness is measured."""
    half = crop.side / 4  # the middle of the crop
    left, top = (int(max(0, value - half)) for value in crop.centre)
    right, bottom = (int(value + half) + 16 for value in crop.centre)
    for index, picture in enumerate(pictures):
        if index % _LOOK_EVERY == 0:
            looks.append(blockiness(picture[top:bottom, left:right], left=left, top=top))
        yield picture


def _look_at(
    source: ClipSource, recipe: ClipRecipe, experts: PrepExperts, clock: StepClock
) -> _Tracked:
    with clock.step("probe"):
        check_file(source.path)
        facts = probe(source.path)
        _check_container(facts, source, recipe)
    with clock.step("sound"):
        sound = read_sound(source.path, start_s=source.start_s, end_s=source.end_s)
        if level_db(sound) < recipe.sound.min_db:
            raise Dropped(Reason.SILENT, f"sound at {level_db(sound):.0f} dB")
        if len(sound) < (recipe.clip.min_frames - 1) * SAMPLES_PER_FRAME:
            raise Dropped(Reason.TOO_SHORT, f"{len(sound) / SAMPLE_RATE_HZ:.2f} s of sound")
        sound = np.pad(sound, (0, -len(sound) % SAMPLES_PER_FRAME))
    with clock.step("speech"):
        speech = experts.speech(sound)
        _check_speech(float(speech.mean()), recipe)
    tracker = FaceTracker(
        detector=experts.detector, landmarker=experts.landmarker, settings=recipe.track
    )
    with clock.step("track"):
        pictures = clock.each("decode", _pictures(source))
        track = tracker.follow(clock.each("shots", mark_cuts(pictures, recipe.shots)))
    _check_track(track, recipe)
    with clock.step("spans"):
        landmarks = filled_landmarks(track, min_presence=recipe.track.min_presence)
    return _Tracked(facts=facts, sound=sound, speech=speech, track=track, landmarks=landmarks)


def _check_container(facts: ClipFacts, source: ClipSource, recipe: ClipRecipe) -> None:
    if not facts.has_audio:
        raise Dropped(Reason.NO_AUDIO, "no audio stream")
    if 0 < facts.fps < recipe.clip.min_fps:
        raise Dropped(Reason.LOW_FRAME_RATE, f"{facts.fps:.1f} pictures a second")
    if facts.duration_s > 0:
        length = min(facts.duration_s, source.end_s or facts.duration_s) - source.start_s
        if length < recipe.clip.min_s - 2 / FPS:
            raise Dropped(Reason.TOO_SHORT, f"{length:.2f} s")


def _check_speech(share: float, recipe: ClipRecipe) -> None:
    if share < recipe.sound.min_speech_share:
        raise Dropped(Reason.NO_SPEECH, f"speech in {share:.0%} of the time")


def _check_track(track: FaceTrack, recipe: ClipRecipe) -> None:
    if len(track) < recipe.clip.min_frames:
        raise Dropped(Reason.TOO_SHORT, f"{len(track)} frames at 25 a second")
    if not (track.presence > recipe.track.min_presence).any():
        seen = "a face was seen, no landmarks fitted" if track.found_any else "no face was seen"
        raise Dropped(Reason.NO_FACE, seen)


def _check_pictures(measured: dict[str, float], limits: PictureSettings) -> None:
    if measured["brightness"] < limits.min_brightness:
        raise Dropped(Reason.DARK, f"the face's mean brightness is {measured['brightness']:.2f}")
    if measured["blockiness"] > limits.max_blockiness:
        raise Dropped(Reason.LOW_QUALITY, f"blockiness {measured['blockiness']:.2f}")
    if 0 < measured["bits_per_pixel"] < limits.min_bits_per_pixel:
        raise Dropped(Reason.LOW_QUALITY, f"{measured['bits_per_pixel']:.4f} bits a pixel")


def _check_sound(measured: SoundQuality, recipe: ClipRecipe) -> None:
    if measured.clipped_share > recipe.sound.max_clipped_share:
        raise Dropped(
            Reason.CLIPPED_SOUND, f"{measured.clipped_share:.1%} of the samples at full scale"
        )
    _check_speech(measured.speech_share, recipe)


def _make_clip(
    source: ClipSource,
    number: int,
    cut: _Cut,
    known: _Tracked,
    recipe: ClipRecipe,
    experts: PrepExperts,
    clock: StepClock,
) -> FaceClip:
    start, stop, frames, facts = cut.span.start, cut.stop, cut.frames, known.facts
    pixels = max(1, facts.width * facts.height) * max(facts.fps, 1.0)
    measures = {
        "brightness": brightness(frames),
        "blockiness": cut.blockiness,
        "bits_per_pixel": facts.bit_rate / pixels,
    }
    _check_pictures(measures, recipe.picture)
    with clock.step("sync"):
        placed = experts.sync.place(frames, _sound_of(known.sound, start, stop))
    start, stop, frames = _within_sound(placed, start, stop, frames, len(known.sound), recipe)
    late = placed.shift_frames
    audio = _sound_of(known.sound, start + late, stop + late)
    quality = measure_sound(audio, known.speech[start + late : stop + late])
    _check_sound(quality, recipe)
    landmarks = known.landmarks[start:stop]
    valid = known.track.presence[start:stop] > recipe.track.min_presence
    in_crop = carried_into_crop(landmarks, cut.span.crop, size=recipe.size)
    with clock.step("identity"):
        spread = identity_spread(frames, in_crop, valid, experts.identity)
        if spread > recipe.face.max_identity_spread:
            raise Dropped(Reason.IDENTITY_CHANGES, f"embeddings {spread:.2f} apart")
    with clock.step("labels"):
        labels = face_labels(
            landmarks,
            valid,
            frames,
            cut.span.crop,
            backend=experts.backend,
            blendshapes=experts.blendshapes,
            emotion=experts.emotion,
            emotion_every=recipe.label.emotion_every,
        )
    sharp = float(labels.quality.mean())
    if sharp < recipe.picture.min_sharpness:
        raise Dropped(Reason.LOW_QUALITY, f"sharpness {sharp:.2f}")
    measures |= {"sharpness": sharp, **asdict(quality), "identity_spread": spread}
    return FaceClip(
        key=f"{source.key}/{number:03d}",
        speaker=source.speaker,
        split=source.split,
        source=source.source,
        licence=source.licence,
        frames=frames,
        audio=np.clip(audio, -1, 1).astype(np.float32),
        labels=labels,
        extra={
            "first_frame": start,
            "crop_px": round(cut.span.crop.side, 1),
            "crop_centre_px": [round(value, 1) for value in cut.span.crop.centre],
            "outside": round(cut.span.crop.outside, 3),
            "sound_shift_frames": late,
            **label_controls(labels),
            "measures": _rounded(measures | label_measures(labels) | _sync_measures(placed)),
            "made_by": experts.describe(),
        },
    )


def _sound_of(sound: np.ndarray, start: int, stop: int) -> np.ndarray:
    return sound[start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME]


def _within_sound(
    placed: Placement,
    start: int,
    stop: int,
    frames: np.ndarray,
    num_samples: int,
    recipe: ClipRecipe,
) -> tuple[int, int, np.ndarray]:
    """The frames for which the moved sound exists."""
    first = max(start, -placed.shift_frames)
    last = min(stop, num_samples // SAMPLES_PER_FRAME - placed.shift_frames)
    if last - first < recipe.clip.min_frames:
        raise Dropped(Reason.TOO_SHORT, f"{last - first} frames once the sound is moved into place")
    return first, last, frames[first - start : last - start]


def _sync_measures(placed: Placement) -> dict[str, float]:
    if placed.result is None:
        return {}
    return {
        "sync_offset_frames": float(placed.result.offset_frames),
        "sync_confidence": placed.result.confidence,
        "sound_shift_frames": float(placed.shift_frames),
    }


def _rounded(measures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in measures.items()}
