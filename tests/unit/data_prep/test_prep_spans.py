"""Spans of a track and their steady crops, on the face template itself: no network needed."""

import numpy as np
import pytest
import torch

from data_prep.crop import crop_frames, steady_crop
from data_prep.drops import Reason
from data_prep.labels import sharpness
from data_prep.settings import ClipSettings, TrackSettings
from data_prep.spans import LostSpan, Span, choose_spans, filled_landmarks, trusted_runs
from data_prep.track import FaceTrack, cut_region
from vasa.pretrained.head_pose import face_template
from vasa.pretrained.squares import Squares

CLIP = ClipSettings(
    min_frames=10,
    max_frames=40,
    min_fps=20,
    min_sound_db=-55,
    min_light=0.1,
    max_growth=1.35,
    max_outside=0.25,
)
TRACK = TrackSettings(
    chunk_frames=15,
    detect_every=5,
    min_presence=5,
    max_gap=3,
    max_jump=0.35,
    min_face_px=40,
    rival_side=0.5,
    rival_share=0.5,
)
PICTURE = {"height": 400, "width": 400}


def _track(num, *, lost=(), centre=None, scale=100.0):
    template, _ = face_template()
    points = torch.cat((template, template[:10])).numpy()
    centres = np.zeros((num, 3)) + [200, 200, 0] if centre is None else centre
    landmarks = points[None] * scale + centres[:, None]
    presence = np.full(num, 20.0)
    presence[list(lost)] = -5.0
    landmarks[list(lost)] = np.nan
    return FaceTrack(landmarks=landmarks, presence=presence, rivals=(), found_any=True)


def _spans(track):
    landmarks = filled_landmarks(track, min_presence=5)
    return choose_spans(track, landmarks, **PICTURE, clip=CLIP, follow=TRACK)


def _runs(track):
    return trusted_runs(track, min_presence=5, max_gap=3, max_jump=0.35)


def test_short_gaps_stay_long_ones_cut():
    assert _runs(_track(50, lost=[20, 21, 22])) == [(0, 50)]
    assert _runs(_track(50, lost=[20, 21, 22, 23])) == [(0, 20), (24, 50)]
    assert _runs(_track(5, lost=range(5))) == []
    assert _runs(_track(9, lost=[0, 8])) == [(1, 8)]


def test_a_jump_is_a_cut():
    centre = np.zeros((30, 3)) + [150, 200, 0]
    centre[15:, 0] += 60
    assert _runs(_track(30, centre=centre)) == [(0, 15), (15, 30)]


def test_gaps_are_filled_in_a_straight_line():
    centre = np.zeros((9, 3)) + np.arange(9)[:, None] * [3.0, 0, 0] + 200
    whole = _track(9, centre=centre).landmarks
    filled = filled_landmarks(_track(9, lost=[0, 4, 5], centre=centre), min_presence=5)
    np.testing.assert_allclose(filled[1:], whole[1:], atol=1e-6)
    np.testing.assert_allclose(filled[0], whole[1])  # nothing before it


def test_long_spans_are_cut_evenly_and_lost_ones_named():
    spans = _spans(_track(120, lost=range(100, 120)))
    kept = [(span.start, span.stop) for span in spans if isinstance(span, Span)]
    assert kept == [(0, 33), (33, 67), (67, 100)]
    lost = [span for span in spans if isinstance(span, LostSpan)]
    assert [(span.start, span.stop, span.reason) for span in lost] == [(100, 120, Reason.LOST_FACE)]


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


def test_sharpness_falls_with_blur():
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 255, (1, 64, 64, 3), dtype=np.uint8)
    blurred = np.repeat(np.repeat(sharp[:, ::8, ::8], 8, axis=1), 8, axis=2)
    flat = np.full((1, 64, 64, 3), 100, np.uint8)
    values = [float(sharpness(item)[0]) for item in (sharp, blurred, flat)]
    assert 1 > values[0] > values[1] > values[2]
    assert values[2] == pytest.approx(0, abs=1e-3)
