"""The sync step: what each rule does with an offset, and which sound a moved clip gets."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import data_prep.clip as clip_module
from data_prep.clip import _sound_of, _within_sound
from data_prep.drops import Dropped, Reason
from data_prep.settings import SyncSettings
from data_prep.sound_quality import SoundQuality
from data_prep.step_clock import StepClock
from data_prep.sync_check import Placement, SyncCheck
from vasa.data.schema import SAMPLES_PER_FRAME, FaceLabels
from vasa.models.checkpoint import model_hash, save_model
from vasa.models.sync_score import SyncResult
from vasa.models.syncnet import SyncNet
from vasa.pretrained.sync_scorer import SyncScorer
from vasa.types import InputError

SIZES = {
    "size": 32,
    "top": 0.4,
    "visual_widths": [8],
    "audio_widths": [8],
    "num_mels": 16,
    "hidden": 16,
    "embedding_dim": 8,
    "groups": 4,
}
MAX_SHIFT = 10
FRAMES = np.zeros((40, 32, 32, 3), np.uint8)
AUDIO = np.zeros(40 * SAMPLES_PER_FRAME, np.float32)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "model"
    config = {"_target_": "vasa.models.syncnet.SyncNet", **SIZES}
    return save_model(SyncNet(**SIZES), config, folder).parent


def settings(run: Path | None, rule: str, *, most: int = 3, sure: float = 0.2) -> SyncSettings:
    return SyncSettings(
        model=None if run is None else str(run),
        rule=rule,
        max_offset_frames=most,
        min_confidence=sure,
    )


@pytest.fixture
def says(monkeypatch):
    """Let SyncNet say an offset, and how sure it is of it."""

    def say(offset: int, *, confidence: float = 0.5) -> None:
        distances = torch.ones(2 * MAX_SHIFT + 1, dtype=torch.float64)
        distances[MAX_SHIFT + offset] -= confidence
        result = SyncResult(shift_distances=distances, max_shift=MAX_SHIFT)
        monkeypatch.setattr(SyncScorer, "score", lambda self, *, frames, audio: result)

    return say


@pytest.mark.parametrize("rule", ["record", "drop", "shift"])
@pytest.mark.parametrize("offset", [-3, 0, 2])
def test_what_lies_within_the_limits_is_kept_and_only_shift_moves_it(run, says, rule, offset):
    says(offset)
    placed = SyncCheck(settings(run, rule)).place(FRAMES, AUDIO)
    assert placed.shift_frames == (offset if rule == "shift" else 0)
    assert placed.result is not None
    assert placed.result.offset_frames == offset


@pytest.mark.parametrize("offset", [-4, 4])
def test_beyond_the_limit_record_keeps_and_the_others_drop(run, says, offset):
    says(offset)
    assert SyncCheck(settings(run, "record")).place(FRAMES, AUDIO).shift_frames == 0
    for rule in ("drop", "shift"):
        with pytest.raises(Dropped, match=f"{abs(offset)} frames (late|early)") as drop:
            SyncCheck(settings(run, rule)).place(FRAMES, AUDIO)
        assert drop.value.reason == Reason.OUT_OF_SYNC


def test_an_offset_that_is_unsure_is_not_acted_upon(run, says):
    says(1, confidence=0.15)
    assert SyncCheck(settings(run, "record")).place(FRAMES, AUDIO).result is not None
    for rule in ("drop", "shift"):
        with pytest.raises(Dropped, match=r"S_C 0\.150") as drop:
            SyncCheck(settings(run, rule)).place(FRAMES, AUDIO)
        assert drop.value.reason == Reason.UNSURE_SYNC
        assert SyncCheck(settings(run, rule, sure=0.1)).place(FRAMES, AUDIO).result is not None


def test_clips_too_short_to_measure_are_kept_as_they_are(run, says):
    says(9)
    check = SyncCheck(settings(run, "drop"))
    assert check.place(FRAMES[:7], AUDIO[: 7 * SAMPLES_PER_FRAME]) == Placement(
        result=None, shift_frames=0
    )
    with pytest.raises(Dropped):
        check.place(FRAMES[:8], AUDIO[: 8 * SAMPLES_PER_FRAME])


def test_the_shortest_clips_that_are_measured_can_be(run):
    placed = SyncCheck(settings(run, "record")).place(FRAMES[:8], AUDIO[: 8 * SAMPLES_PER_FRAME])
    assert placed.result is not None
    assert placed.result.num_candidates == 3


def test_without_a_network_nothing_is_measured(says):
    says(9)
    check = SyncCheck(settings(None, "drop"))
    assert check.place(FRAMES, AUDIO) == Placement(result=None, shift_frames=0)
    assert check.describe() is None


def test_the_network_is_named_by_its_weights(run):
    assert SyncCheck(settings(run, "record")).describe() == f"own:{model_hash(run)[:8]}"


def test_a_network_of_another_kind_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("vasa.pretrained.sync_scorer.load_model", lambda _: nn.Linear(1, 1))
    with pytest.raises(InputError, match="got one of Linear at .*; train it with"):
        SyncCheck(settings(tmp_path, "record"))


def test_a_folder_without_a_network_is_refused(tmp_path):
    with pytest.raises(InputError, match=str(tmp_path)):
        SyncCheck(settings(tmp_path / "nothing", "record"))


class Clip:
    """`min_frames` is all of a recipe that is asked here."""

    min_frames = 10


class Recipe:
    clip = Clip()


@pytest.mark.parametrize(
    ("start", "stop", "shift", "first", "last"),
    [
        (0, 40, 0, 0, 40),
        (0, 40, 5, 0, 35),  # the sound of the last 5 pictures lies beyond its end
        (0, 40, -5, 5, 40),  # that of the first 5 before its beginning
        (10, 30, 5, 10, 30),  # in the middle of a file the sound is there
        (10, 30, -5, 10, 30),
        (3, 38, 5, 3, 35),
        (3, 38, -5, 5, 38),
        (0, 40, 30, 0, 10),
    ],
)
def test_picture_i_takes_the_sound_of_picture_i_plus_shift(start, stop, shift, first, last):
    sound = np.arange(40 * SAMPLES_PER_FRAME) // SAMPLES_PER_FRAME  # each sample's own picture
    frames = np.arange(start, stop).reshape(-1, 1, 1, 1)
    placed = Placement(result=None, shift_frames=shift)
    got_first, got_last, kept = _within_sound(placed, start, stop, frames, len(sound), Recipe())  # type: ignore[arg-type]
    assert (got_first, got_last) == (first, last)
    moved = _sound_of(sound, got_first + shift, got_last + shift).reshape(-1, SAMPLES_PER_FRAME)
    assert (moved == kept.reshape(-1, 1) + shift).all()
    assert kept.ravel().tolist() == list(range(first, last))


@pytest.mark.parametrize("shift", [31, -31, 50])
def test_a_clip_of_which_too_little_is_left_is_dropped(shift):
    frames = np.zeros((40, 1, 1, 1))
    placed = Placement(result=None, shift_frames=shift)
    with pytest.raises(Dropped, match="once the sound is moved") as drop:
        _within_sound(placed, 0, 40, frames, 40 * SAMPLES_PER_FRAME, Recipe())  # type: ignore[arg-type]
    assert drop.value.reason == Reason.TOO_SHORT


def labels_of(landmarks: np.ndarray) -> FaceLabels:
    """Labels that hold, as their blink, which picture they are of."""
    num = len(landmarks)
    return FaceLabels(
        pose=np.zeros((num, 6)),
        gaze=np.zeros((num, 2)),
        blink=landmarks[:, 0, 0],
        mouth=np.zeros((num, 2)),
        landmarks=np.zeros((num, 68, 2)),
        emotion=np.zeros((num, 8)),
        quality=np.ones(num),
        valid=np.ones(num, bool),
    )


@pytest.mark.parametrize(("shift", "first", "last"), [(0, 2, 38), (4, 2, 36), (-5, 5, 38)])
def test_pictures_labels_sound_and_speech_of_a_moved_clip_belong_together(
    monkeypatch, shift, first, last
):
    """Everything carries the number of its own picture in the file; the networks are left out."""
    number = np.arange(40)
    seen = {}

    def measured(audio, speech):
        seen["speech"] = speech
        return SoundQuality(level_db=-20.0, clipped_share=0.0, speech_share=1.0)

    fakes = {
        "measure_sound": measured,
        "identity_spread": lambda *args: 0.0,
        "carried_into_crop": lambda landmarks, crop, *, size: landmarks,
        "face_labels": lambda landmarks, *args, **settings: labels_of(landmarks),
        "label_controls": lambda labels: {},
        "label_measures": lambda labels: {},
        "_check_pictures": lambda *args: None,
        "_check_sound": lambda *args: None,
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(clip_module, name, fake)
    crop = SimpleNamespace(side=32.0, centre=(16.0, 16.0), outside=0.0)
    placed = Placement(result=None, shift_frames=shift)
    frames = (
        np.zeros((36, 4, 4, 3), np.uint8) + np.arange(2, 38, dtype=np.uint8)[:, None, None, None]
    )
    clip = clip_module._make_clip(
        SimpleNamespace(key="anna/take", speaker="anna", split="train", source="", licence=""),  # type: ignore[arg-type]
        0,
        SimpleNamespace(
            span=SimpleNamespace(start=2, crop=crop), stop=38, frames=frames, blockiness=1.0
        ),  # type: ignore[arg-type]
        SimpleNamespace(
            facts=SimpleNamespace(width=64, height=64, fps=25.0, bit_rate=0),
            sound=(number / 100).repeat(SAMPLES_PER_FRAME),
            speech=number,
            track=SimpleNamespace(presence=np.full(40, 9.0)),
            landmarks=number[:, None, None] + np.zeros((40, 478, 3)),
        ),  # type: ignore[arg-type]
        SimpleNamespace(
            size=4,
            clip=Clip(),
            picture=SimpleNamespace(min_sharpness=0.0),
            sound=None,
            track=SimpleNamespace(min_presence=5.0),
            face=SimpleNamespace(max_identity_spread=1.0),
            label=SimpleNamespace(emotion_every=5),
        ),  # type: ignore[arg-type]
        SimpleNamespace(
            sync=SimpleNamespace(place=lambda frames, audio: placed),
            identity=None,
            backend=None,
            blendshapes=None,
            emotion=None,
            describe=lambda: {},
        ),  # type: ignore[arg-type]
        StepClock(),
    )
    pictures = np.arange(first, last)
    assert clip.frames[:, 0, 0, 0].tolist() == pictures.tolist()
    assert clip.labels.blink.tolist() == pictures.tolist()
    sounds = clip.audio.reshape(-1, SAMPLES_PER_FRAME) * 100
    assert sounds == pytest.approx(
        np.broadcast_to(pictures[:, None] + shift, sounds.shape), abs=1e-4
    )
    assert seen["speech"].tolist() == (pictures + shift).tolist()
    assert clip.extra["first_frame"] == first
    assert clip.extra["sound_shift_frames"] == shift
