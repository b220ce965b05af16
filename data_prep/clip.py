"""One raw clip to face clips: a pure function of the file and the recipe."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data_prep.crop import crop_frames
from data_prep.decode import ClipFacts, probe, read_sound, stream_frames
from data_prep.drops import Dropped, Reason, time_limit
from data_prep.labels import face_labels
from data_prep.layouts import ClipSource
from data_prep.settings import ClipRecipe
from data_prep.spans import LostSpan, Span, choose_spans, filled_landmarks
from data_prep.track import FaceTrack, FaceTracker
from vasa.data.schema import FPS, SAMPLES_PER_FRAME, FaceClip
from vasa.pretrained.emotion import EmotionNet
from vasa.pretrained.face_detector import FaceDetector
from vasa.pretrained.landmarks import Blendshapes, FaceLandmarker


@dataclass(frozen=True, kw_only=True)
class DropRow:
    """A row of `dropped.parquet`."""

    key: str
    reason: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What became of one file."""

    clips: tuple[FaceClip, ...]
    dropped: tuple[DropRow, ...]


class PrepExperts:
    """The frozen networks of the preparation, loaded once a process."""

    def __init__(self) -> None:
        self.detector = FaceDetector()
        self.landmarker = FaceLandmarker()
        self.blendshapes = Blendshapes()
        self.emotion = EmotionNet()

    @staticmethod
    def describe() -> list[dict[str, str]]:
        """Names, files and checksums of the networks."""
        nets = (FaceDetector, FaceLandmarker, Blendshapes, EmotionNet)
        return [net.describe() for net in nets]


def prepare_clip(source: ClipSource, recipe: ClipRecipe, experts: PrepExperts) -> Prepared:
    """Face clips of one file, and what was left out of it with the reasons."""
    try:
        with time_limit(recipe.time_limit_s):
            return _prepare(source, recipe, experts)
    except Dropped as drop:
        row = DropRow(key=source.key, reason=str(drop.reason), detail=drop.detail)
        return Prepared(clips=(), dropped=(row,))


def _prepare(source: ClipSource, recipe: ClipRecipe, experts: PrepExperts) -> Prepared:
    if not source.path.is_file():
        raise Dropped(Reason.MISSING, f"no file {source.path.name}")
    facts = probe(source.path)
    _check_container(facts, source, recipe)
    sound = read_sound(source.path, start_s=source.start_s, end_s=source.end_s)
    _check_sound(sound, recipe)
    tracker = FaceTracker(
        detector=experts.detector, landmarker=experts.landmarker, settings=recipe.track
    )
    size_of: list[tuple[int, ...]] = []

    def watched():
        for frame in _pictures(source):
            if not size_of:
                size_of.append(frame.shape)
            yield frame

    track = tracker.follow(watched())
    _check_track(track, recipe)
    height, width = size_of[0][:2]
    landmarks = filled_landmarks(track, min_presence=recipe.track.min_presence)
    spans = choose_spans(
        track, landmarks, height=height, width=width, clip=recipe.clip, follow=recipe.track
    )
    clips: list[FaceClip] = []
    dropped: list[DropRow] = []
    for span in spans:
        try:
            if isinstance(span, LostSpan):
                raise Dropped(span.reason, span.detail)
            clips.append(
                _make_clip(source, span, len(clips), track, landmarks, sound, recipe, experts)
            )
        except Dropped as drop:
            if drop.reason == Reason.TIMED_OUT:
                raise
            key = source.key
            if len(spans) > 1:
                key = f"{source.key}/frames-{span.start}-{span.stop}"
            dropped.append(DropRow(key=key, reason=str(drop.reason), detail=drop.detail))
    return Prepared(clips=tuple(clips), dropped=tuple(dropped))


def _pictures(source: ClipSource) -> Iterator[np.ndarray]:
    return stream_frames(
        source.path, start_s=source.start_s, end_s=source.end_s, region=source.region
    )


def _check_container(facts: ClipFacts, source: ClipSource, recipe: ClipRecipe) -> None:
    if not facts.has_audio:
        raise Dropped(Reason.NO_AUDIO, "no audio stream")
    if 0 < facts.fps < recipe.clip.min_fps:
        raise Dropped(Reason.LOW_FRAME_RATE, f"{facts.fps:.1f} pictures a second")
    if facts.duration_s > 0:
        length = min(facts.duration_s, source.end_s or facts.duration_s) - source.start_s
        if length < (recipe.clip.min_frames - 2) / FPS:
            raise Dropped(Reason.TOO_SHORT, f"{length:.2f} s")


def _check_sound(sound: np.ndarray, recipe: ClipRecipe) -> None:
    level = 10 * np.log10(float(np.mean(sound**2)) + 1e-12) if len(sound) else -120.0
    if level < recipe.clip.min_sound_db:
        raise Dropped(Reason.SILENT, f"sound at {level:.0f} dB")


def _check_track(track: FaceTrack, recipe: ClipRecipe) -> None:
    settings = recipe.track
    if len(track) < recipe.clip.min_frames:
        raise Dropped(Reason.TOO_SHORT, f"{len(track)} frames at 25 a second")
    trusted = track.presence > settings.min_presence
    if not trusted.any():
        seen = "a face was seen, no landmarks fitted" if track.found_any else "no face was seen"
        raise Dropped(Reason.NO_FACE, seen)
    crowded = np.mean([num > 0 for num in track.rivals]) if track.rivals else 0.0
    if crowded >= settings.rival_share:
        raise Dropped(Reason.SEVERAL_FACES, f"further large faces in {crowded:.0%} of the looks")
    points = track.landmarks[trusted][..., :2]
    side = float(np.median((points.max(axis=1) - points.min(axis=1)).max(axis=-1)))
    if side < settings.min_face_px:
        raise Dropped(Reason.TOO_SMALL, f"the face is {side:.0f} px large")


def _make_clip(
    source: ClipSource,
    span: Span,
    number: int,
    track: FaceTrack,
    landmarks: np.ndarray,
    sound: np.ndarray,
    recipe: ClipRecipe,
    experts: PrepExperts,
) -> FaceClip:
    stop = min(span.stop, -(-len(sound) // SAMPLES_PER_FRAME))
    if stop - span.start < recipe.clip.min_frames:
        raise Dropped(Reason.TOO_SHORT, f"sound ends after {len(sound) / 16000:.2f} s")
    frames = crop_frames(
        _pictures(source),
        span.crop,
        start=span.start,
        stop=stop,
        size=recipe.size,
        chunk=recipe.track.chunk_frames,
    )
    middle = recipe.size // 4
    light = float(frames[:, middle:-middle, middle:-middle].mean()) / 255
    if light < recipe.clip.min_light:
        raise Dropped(Reason.DARK, f"the face's mean brightness is {light:.2f}")
    audio = sound[span.start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME]
    audio = np.pad(audio, (0, (stop - span.start) * SAMPLES_PER_FRAME - len(audio)))
    labels = face_labels(
        landmarks[span.start : stop],
        track.presence[span.start : stop] > recipe.track.min_presence,
        frames,
        span.crop,
        blendshapes=experts.blendshapes,
        emotion=experts.emotion,
        emotion_every=recipe.label.emotion_every,
    )
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
            "first_frame": span.start,
            "crop_px": round(span.crop.side, 1),
            "crop_centre_px": [round(value, 1) for value in span.crop.centre],
            "outside": round(span.crop.outside, 3),
        },
    )
