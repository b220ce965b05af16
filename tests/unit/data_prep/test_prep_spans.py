"""Spans of a track and their steady crops, on the face template itself: no network needed."""

import numpy as np
import pytest
import torch

from data_prep.crop import crop_frames, steady_crop
from data_prep.drops import Reason
from data_prep.settings import ClipSettings, FaceSettings, TrackSettings
from data_prep.spans import (
    LostSpan,
    Span,
    choose_spans,
    filled_landmarks,
    frame_faults,
    usable_runs,
)
from data_prep.track import FaceTrack, cut_region
from vasa.geometry.rotation import rotation_from_angles
from vasa.pretrained.head_pose import face_template
from vasa.pretrained.squares import Squares

CLIP = ClipSettings(min_s=0.4, max_s=1.6, min_fps=20, max_growth=1.35, max_outside=0.25)
FACE = FaceSettings(
    min_px=40, max_yaw_deg=60, max_pitch_deg=45, max_rival_s=0.8, max_identity_spread=0.6
)
TRACK = TrackSettings(
    chunk_frames=15, detect_every=5, min_presence=5, max_gap=3, max_jump=0.35, rival_side=0.5
)
PICTURE = {"height": 400, "width": 400}


def _track(num, *, lost=(), centre=None, scale=100.0, yaw_deg=None, rivals=(), cuts=()):
    template, _ = face_template()
    points = torch.cat((template, template[:10])).numpy()
    angles = np.zeros((num, 3)) if yaw_deg is None else np.radians(yaw_deg)[:, None] * [1, 0, 0]
    turned = points @ rotation_from_angles(torch.tensor(angles)).numpy().transpose(0, 2, 1)
    centres = np.zeros((num, 3)) + [200, 200, 0] if centre is None else centre
    landmarks = turned * np.broadcast_to(scale, num)[:, None, None] + centres[:, None]
    presence = np.full(num, 20.0)
    presence[list(lost)] = -5.0
    landmarks[list(lost)] = np.nan
    return FaceTrack(
        landmarks=landmarks.astype(np.float32),
        presence=presence,
        has_rival=np.isin(np.arange(num), list(rivals)),
        shot=np.cumsum(np.isin(np.arange(num), list(cuts))),
        found_any=True,
        **PICTURE,
    )


def _spans(track):
    landmarks = filled_landmarks(track, min_presence=5)
    return choose_spans(track, landmarks, clip=CLIP, face=FACE, follow=TRACK)


def _kept(track):
    return [(span.start, span.stop) for span in _spans(track) if isinstance(span, Span)]


def _lost(track):
    spans = [span for span in _spans(track) if isinstance(span, LostSpan)]
    return [(span.start, span.stop, span.reason) for span in spans]


def _runs(track):
    faults = frame_faults(track, filled_landmarks(track, min_presence=5), face=FACE, follow=TRACK)
    return usable_runs(track, faults, max_gap=3, max_jump=0.35)


def test_short_gaps_stay_long_ones_cut():
    assert _runs(_track(50, lost=[20, 21, 22])) == [(0, 50)]
    assert _runs(_track(50, lost=[20, 21, 22, 23])) == [(0, 20), (24, 50)]
    assert _runs(_track(9, lost=[0, 8])) == [(1, 8)]


def test_a_jump_is_a_cut():
    centre = np.zeros((30, 3)) + [150, 200, 0]
    centre[15:, 0] += 60
    assert _runs(_track(30, centre=centre)) == [(0, 15), (15, 30)]


def test_a_cut_ends_a_run_where_the_face_stays():
    assert _kept(_track(30, cuts=[14])) == [(0, 14), (14, 30)]


def test_each_fault_of_the_face_has_its_reason():
    assert _lost(_track(30, scale=15.0)) == [(0, 30, Reason.TOO_SMALL)]
    turning = np.concatenate((np.zeros(30), np.full(40, 75.0)))
    assert _kept(_track(70, yaw_deg=turning)) == [(0, 30)]
    assert _lost(_track(70, yaw_deg=turning)) == [(30, 70, Reason.EXTREME_POSE)]
    assert _lost(_track(70, yaw_deg=-turning)) == [(30, 70, Reason.EXTREME_POSE)]
    assert _lost(_track(60, rivals=range(30, 60))) == [(30, 60, Reason.SEVERAL_FACES)]
    assert _lost(_track(60, rivals=range(30, 45))) == []  # borne for 0.6 s
    one_frame = np.where(np.arange(30) == 12, 75.0, 0.0)
    assert _kept(_track(30, yaw_deg=one_frame)) == [(0, 30)]


def test_a_clip_without_a_long_enough_stretch_is_said_to_be_too_short():
    assert _lost(_track(24, cuts=[8, 16])) == [(0, 24, Reason.TOO_SHORT)]


def test_gaps_are_filled_in_a_straight_line():
    centre = np.zeros((9, 3)) + np.arange(9)[:, None] * [3.0, 0, 0] + 200
    whole = _track(9, centre=centre).landmarks
    filled = filled_landmarks(_track(9, lost=[0, 4, 5], centre=centre), min_presence=5)
    np.testing.assert_allclose(filled[1:], whole[1:], atol=1e-6)
    np.testing.assert_allclose(filled[0], whole[1])  # nothing before it


def test_long_spans_are_cut_evenly_and_lost_ones_named():
    track = _track(120, lost=range(100, 120))
    assert _kept(track) == [(0, 33), (33, 67), (67, 100)]
    assert _lost(track) == [(100, 120, Reason.LOST_FACE)]


def test_crop_is_centred_on_the_head_at_scale_one():
    crop = steady_crop(_track(5).landmarks, **PICTURE)
    assert crop.side == pytest.approx(200, rel=1e-3)
    assert crop.centre == pytest.approx((200, 200), abs=0.2)
    assert crop.growth == pytest.approx(1, abs=1e-3)
    assert crop.outside == pytest.approx(0, abs=1e-6)


def test_crop_holds_a_moving_face():
    centre = np.zeros((30, 3)) + [200, 200, 0]
    centre[:, 0] += np.linspace(-70, 70, 30)
    landmarks = _track(30, centre=centre).landmarks
    crop = steady_crop(landmarks, **PICTURE)
    low = np.array(crop.centre) - crop.side / 2
    assert (landmarks[..., :2] >= low).all()
    assert (landmarks[..., :2] <= low + crop.side).all()
    assert crop.growth > 1.1


def test_crop_stays_in_the_picture_where_a_small_shift_does_it():
    centre = np.zeros((5, 3)) + [200, 90, 0]
    assert steady_crop(_track(5, centre=centre).landmarks, **PICTURE).outside == pytest.approx(0)
    centre[:, 1] = 60
    assert steady_crop(_track(5, centre=centre).landmarks, **PICTURE).outside > 0.05


def test_a_head_that_moves_too_much_gives_shorter_clips():
    centre = np.zeros((40, 3)) + [200, 200, 0]
    centre[:, 0] += np.linspace(-110, 110, 40)
    kept = [span for span in _spans(_track(40, centre=centre)) if isinstance(span, Span)]
    assert [(span.start, span.stop) for span in kept] == [(0, 20), (20, 40)]
    assert all(span.crop.growth <= CLIP.max_growth for span in kept)


def test_a_face_cut_off_by_the_picture_is_left_out():
    centre = np.zeros((20, 3)) + [10, 200, 0]
    (span,) = _spans(_track(20, centre=centre))
    assert isinstance(span, LostSpan)
    assert span.reason == Reason.OUT_OF_PICTURE


def test_cropped_pixels_are_the_sources():
    frames = np.random.default_rng(0).integers(0, 255, (7, 400, 400, 3), dtype=np.uint8)
    crop = steady_crop(_track(7).landmarks, **PICTURE)
    found = crop_frames(iter(frames), crop, start=2, stop=6, size=200, chunk=3)
    assert found.shape == (4, 200, 200, 3)
    smooth = frames[2:6, 100:300, 100:300].astype(float)
    assert np.corrcoef(found.ravel(), smooth.ravel())[0, 1] > 0.8
    flat = np.full((3, 400, 400, 3), 77, np.uint8)
    assert (crop_frames(iter(flat), crop, start=0, stop=3, size=64, chunk=2) == 77).all()


def test_region_moves_the_square_with_it():
    frames = np.arange(100 * 80, dtype=np.uint8).reshape(1, 80, 100, 1).repeat(3, axis=-1)
    square = Squares(
        centre=torch.tensor([[60.0, 20.0]]), side=torch.tensor([20.0]), roll=torch.zeros(1)
    )
    part, moved = cut_region(frames, square)
    assert part.shape[1:3] == (24, 24)
    x, y = (int(value) for value in moved.centre[0])
    assert (part[0, y, x] == frames[0, 20, 60]).all()
