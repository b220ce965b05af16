"""Overlays lie where the labels say: axes and gaze by the rotation convention, dots on pixels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from data_prep.crop_picture import head_extent
from data_prep.drawing import (
    ALARM,
    GAZE,
    GAZE_UNITS,
    NOSE_AXIS,
    NOSE_UNITS,
    POINT,
    X_AXIS,
    Y_AXIS,
    FrameLabels,
    Tile,
    contact_sheet,
    draw_labels,
    gaze_ray,
    head_axes,
    plain,
)
from vasa.geometry.rotation import rotation_from_angles

SIZE = 100
NOTHING = FrameLabels(
    landmarks=np.full((68, 2), np.nan),
    pose=np.full(6, np.nan),
    gaze=np.full(2, np.nan),
    blink=0.0,
    mouth_opening=0.0,
    is_valid=True,
)
GREY = np.full((50, 50, 3), 90, np.uint8)


def pose(*, yaw=0.0, pitch=0.0, roll=0.0, tx=0.0, ty=0.0, log_scale=0.0):
    return np.array([yaw, pitch, roll, tx, ty, log_scale])


def is_colour(picture, colour):
    """Where a picture shows a colour, `h w`."""
    return (np.abs(picture.astype(int) - colour) <= 3).all(axis=-1)


def test_of_a_straight_head_x_is_right_y_is_down_and_the_nose_is_a_point():
    axes = head_axes(pose(), size=SIZE)
    np.testing.assert_allclose(axes.origin, [50, 50])
    np.testing.assert_allclose(axes.x, [75, 50], atol=1e-9)
    np.testing.assert_allclose(axes.y, [50, 75], atol=1e-9)
    np.testing.assert_allclose(axes.nose, [50, 50], atol=1e-9)


@pytest.mark.parametrize(
    ("angles", "towards"),
    [({"yaw": 0.5}, [-1, 0]), ({"pitch": 0.5}, [0, 1]), ({"yaw": -0.5}, [1, 0])],
)
def test_the_nose_turns_with_yaw_to_picture_left_and_with_pitch_down(angles, towards):
    axes = head_axes(pose(**angles), size=SIZE)
    expected = np.array(towards) * np.sin(0.5) * NOSE_UNITS * SIZE / 2
    np.testing.assert_allclose(axes.nose - axes.origin, expected, atol=1e-6)


def test_axes_are_those_of_the_rotation_matrix_shifted_and_scaled():
    angles = torch.tensor([0.4, -0.3, 0.2], dtype=torch.float64)
    turn = rotation_from_angles(angles).numpy()
    label = pose(yaw=0.4, pitch=-0.3, roll=0.2, tx=0.1, ty=-0.2, log_scale=0.3)
    axes = head_axes(label, size=SIZE)
    np.testing.assert_allclose(axes.origin, [55, 40])
    nose = np.exp(0.3) * turn @ [0, 0, -NOSE_UNITS] * SIZE / 2
    np.testing.assert_allclose(axes.nose - axes.origin, nose[:2], atol=1e-6)
    # positive roll is clockwise: with it alone, picture right's axis sinks
    assert head_axes(pose(roll=0.2), size=SIZE).x[1] > 50


def test_gaze_goes_to_picture_left_and_down_and_turns_with_the_head():
    length = GAZE_UNITS * SIZE / 2
    np.testing.assert_allclose(gaze_ray(pose(), np.zeros(2), size=SIZE), [0, 0], atol=1e-9)
    left = gaze_ray(pose(), np.array([0.3, 0]), size=SIZE)
    np.testing.assert_allclose(left, [-np.sin(0.3) * length, 0], atol=1e-6)
    down = gaze_ray(pose(), np.array([0, 0.3]), size=SIZE)
    np.testing.assert_allclose(down, [0, np.sin(0.3) * length], atol=1e-6)
    # eyes that turn back as far as the head turned look at the viewer
    ahead = gaze_ray(pose(yaw=0.3), np.array([-0.3, 0]), size=SIZE)
    np.testing.assert_allclose(ahead, [0, 0], atol=1e-6)


def test_a_landmark_lies_on_its_pixel_of_the_enlarged_crop():
    points = NOTHING.landmarks.copy()
    points[0] = [10.5, 30.5]  # the middle of the crop's pixel in column 10, row 30
    drawn = draw_labels(GREY, replace(NOTHING, landmarks=points), size=200)
    y, x = np.nonzero((drawn != 90).any(axis=-1))
    assert (x.mean(), y.mean()) == pytest.approx((10.5 * 4 - 0.5, 30.5 * 4 - 0.5), abs=0.3)
    assert (drawn[121:123, 41:43] > 150).all() and max(POINT) > 150
    assert np.ptp(x) < 8 and np.ptp(y) < 8


def test_drawn_axes_have_their_colours_at_their_ends():
    label = pose(yaw=0.5, tx=0.2)
    axes = head_axes(label, size=200)
    drawn = draw_labels(GREY, replace(NOTHING, pose=label), size=200)
    for end, colour in ((axes.x, X_AXIS), (axes.y, Y_AXIS), (axes.nose, NOSE_AXIS)):
        x, y = (axes.origin + 0.9 * (end - axes.origin)).astype(int)
        assert is_colour(drawn, colour)[y, x]
    assert not is_colour(drawn, GAZE).any(), "no gaze is drawn where there is no label of it"


def test_each_eye_has_its_ray():
    points = NOTHING.landmarks.copy()
    points[36:42], points[42:48] = [15, 20], [35, 20]
    labels = replace(NOTHING, pose=pose(), gaze=np.array([0.4, 0.0]), landmarks=points)
    yellow = is_colour(draw_labels(GREY, labels, size=200), GAZE)[79:81].any(axis=0)[None]
    _, x = np.nonzero(yellow)
    reach = np.sin(0.4) * GAZE_UNITS * 100
    assert x.min() == pytest.approx(60 - reach, abs=5)
    assert yellow[0, int(60 - reach) : 57].mean() > 0.9
    assert yellow[0, int(140 - reach) : 137].mean() > 0.9
    assert not yellow[:, 70 : int(140 - reach) - 5].any()


def test_what_cannot_be_drawn_leaves_the_picture_and_distrust_is_framed():
    wild = replace(NOTHING, landmarks=np.full((68, 2), 1e30), pose=pose(tx=1e20, log_scale=500))
    assert (draw_labels(GREY, NOTHING, size=60) == 90).all()
    assert draw_labels(GREY, wild, size=60).shape == (60, 60, 3)
    doubted = draw_labels(GREY, replace(NOTHING, is_valid=False), size=96)
    assert is_colour(doubted, ALARM)[0].all() and (doubted[10, 10] == 90).all()


def test_crops_must_be_square():
    with pytest.raises(ValueError, match="square RGB crop"):
        draw_labels(GREY[:40], NOTHING)


def test_a_sheet_holds_its_tiles_in_rows_and_is_the_same_each_time():
    shades = [np.full((90, 90, 3), shade, np.uint8) for shade in (50, 100, 150, 201)]
    tiles = [Tile(picture=shade, title="a name" * 40) for shade in shades]
    sheet = contact_sheet(tiles, columns=3)
    np.testing.assert_array_equal(sheet, contact_sheet(tiles, columns=3))
    corners = []
    for shade in (50, 100, 150, 201):
        y, x = np.nonzero((sheet == shade).all(axis=-1))
        corners.append((int(x.min()), int(y.min())))
        assert (sheet[y.min() : y.min() + 90, x.min() : x.min() + 90] == shade).all()
    assert corners[0][1] == corners[1][1] == corners[2][1] < corners[3][1]
    assert corners[0][0] == corners[3][0] < corners[1][0] < corners[2][0]


def test_tiles_of_several_sizes_or_none_are_refused():
    with pytest.raises(ValueError, match="one size"):
        contact_sheet([])
    with pytest.raises(ValueError, match="one size"):
        contact_sheet([Tile(picture=GREY, title=""), Tile(picture=GREY[:20], title="")])


def test_a_strangers_text_becomes_one_plain_line():
    assert plain("a\nb\t c\u202ed\x00e") == "a b c d e"
    assert plain("x\udcff") == "x?"


def test_the_explaining_picture_measures_crown_and_chin_from_the_crops_centre():
    regions = np.zeros((100, 100), np.uint8)
    regions[8:95, 30:70] = 1  # skin, down to the neck
    points = np.zeros((68, 2))
    points[8] = [50, 90]
    reach = head_extent(regions, points)
    assert (reach.above, reach.below) == pytest.approx((0.84, 0.8))
