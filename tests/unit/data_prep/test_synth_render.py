"""The renderer: one convention of pose, features where the labels say, factors that act alone."""

import numpy as np
import pytest
import torch

from data_prep.synth.canvas import make_view
from data_prep.synth.identity import sample_identity
from data_prep.synth.landmarks import face_points, landmarks
from data_prep.synth.render import REGIONS, Renderer
from data_prep.synth.state import FaceState, mouth_truth
from vasa.data.schema import REGIONS as SCHEMA_REGIONS
from vasa.geometry.rotation import rotation_from_angles

SIZE = 160
POSES = [
    (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    (0.35, 0.1, 0.1, 0.05, 0.02, -0.05),
    (-0.35, -0.15, -0.1, -0.05, 0.04, 0.05),
]


def _renderer(person: int = 0, size: int = SIZE) -> Renderer:
    return Renderer(who=sample_identity(seed=0, person=person), size=size)


def _label(name: str) -> int:
    return REGIONS.index(name)


def _centre(mask: np.ndarray) -> np.ndarray:
    y, x = np.nonzero(mask)
    return np.array([x.mean() + 0.5, y.mean() + 0.5])


def test_region_names_have_the_schema_order():
    assert len(REGIONS) == len(SCHEMA_REGIONS)
    assert [name[:5] for name in REGIONS[:7]] == [name[:5] for name in SCHEMA_REGIONS[:7]]


@pytest.mark.parametrize("pose", POSES)
def test_projection_is_the_contract(pose):
    """p_picture = exp(s) R p_head + t."""
    pose = np.array(pose)
    points = np.random.default_rng(0).normal(size=(5, 3))
    rotation = rotation_from_angles(torch.tensor(pose[:3])).numpy()
    expected = np.exp(pose[5]) * points @ rotation.T + np.array([*pose[3:5], 0.0])
    assert np.allclose(make_view(pose=pose, width=64).project(points), expected, atol=1e-9)


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("person", [0, 3, 6])
def test_eyes_are_drawn_where_their_projection_is(pose, person):
    """Centres of the drawn eyes against the landmarks' projection, within 2 % of the picture."""
    renderer = _renderer(person)
    state = FaceState(pose=np.array(pose))
    regions = renderer.render(state).regions
    points = landmarks(who=renderer.who, tables=renderer.tables, state=state, size=SIZE)
    eyes = [points[36:42].mean(0), points[42:48].mean(0)]
    middle = 0.5 * (eyes[0] + eyes[1])
    across = eyes[1] - eyes[0]
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    side = (x - middle[0]) * across[0] + (y - middle[1]) * across[1] > 0
    for eye, part in zip(eyes, (~side, side), strict=True):
        assert np.abs(_centre((regions == _label("eyes")) & part) - eye).max() < 0.02 * SIZE


def test_yaw_moves_the_nose_to_picture_left_and_pitch_down():
    renderer = _renderer()

    def tip(pose):
        state = FaceState(pose=np.array(pose))
        points = face_points(who=renderer.who, tables=renderer.tables, state=state)
        return make_view(pose=np.array(pose), width=64).project(points)[30]

    rest = tip((0, 0, 0, 0, 0, 0))
    assert tip((0.3, 0, 0, 0, 0, 0))[0] < rest[0] - 0.1
    assert tip((0, 0.2, 0, 0, 0, 0))[1] > rest[1] + 0.1


@pytest.mark.parametrize("yaw", [-0.4, 0.0, 0.4])
def test_drawn_nose_is_in_front_of_the_far_cheek(yaw):
    """The surface search finds the same tip as the projected table point."""
    renderer = _renderer(2)
    from data_prep.synth.canvas import Canvas
    from data_prep.synth.surface import HEIGHTS, hit_head

    view = make_view(pose=np.array([yaw, 0, 0, 0, 0, 0.0]), width=SIZE)
    canvas = Canvas(background=np.zeros((3, SIZE, SIZE), np.float32))
    window = canvas.window(left=-1, right=1, top=-1, bottom=1)
    hit = hit_head(window, view=view, tables=renderer.tables, rest=HEIGHTS)
    y = renderer.who.nose_length - 0.02
    point = np.array([0.0, y, *renderer.tables.front(np.zeros(1), np.array([y]))])
    flat = view.project(point)
    pixel = ((flat[:2] + 1) * 0.5 * SIZE).astype(int)
    at = np.flatnonzero(hit.index == pixel[1] * SIZE + pixel[0])
    found = np.array([axis[at[0]] for axis in hit.point])
    assert np.linalg.norm(found - point) < 0.03


@pytest.mark.parametrize("person", range(4))
def test_lip_and_eye_landmarks_fall_on_lips_and_eyes(person):
    renderer = _renderer(person, size=256)
    state = FaceState(pose=np.array([0.2, 0.05, 0.05, 0, 0.03, 0.0]), opening=0.2)
    regions = renderer.render(state).regions
    points = landmarks(who=renderer.who, tables=renderer.tables, state=state, size=256)

    def near(point, names):
        x, y = np.round(point - 0.5).astype(int)
        patch = regions[y - 3 : y + 4, x - 3 : x + 4]
        return np.isin(patch, [_label(name) for name in names]).any()

    for i in (*range(48, 60), *range(60, 68)):
        assert near(points[i], ("lips", "mouth")), i
    for i in range(36, 48):
        assert near(points[i], ("eyes",)), i
    middle_x, middle_y = np.round(0.5 * (points[62] + points[66]) - 0.5).astype(int)
    assert regions[middle_y, middle_x] == _label("mouth")


def test_mouth_truth_is_measured_in_the_picture():
    """The gap of the drawn mouth over the eye-corner distance is the truth's opening."""
    renderer = _renderer(1, size=256)
    for opening in (0.1, 0.2, 0.3):
        state = FaceState(opening=opening)
        regions = renderer.render(state).regions
        points = landmarks(who=renderer.who, tables=renderer.tables, state=state, size=256)
        unit = np.linalg.norm(points[45] - points[36])
        column = regions[:, int(points[62, 0])]
        assert (column == _label("mouth")).sum() / unit == pytest.approx(opening, abs=0.012)
        truth = mouth_truth(renderer.who, state)
        assert truth[0] == pytest.approx(opening, abs=1e-6)
        assert np.linalg.norm(points[66] - points[62]) / unit == pytest.approx(opening, abs=0.01)
        assert np.linalg.norm(points[54] - points[48]) / unit == pytest.approx(truth[1], abs=0.01)


def test_factors_change_only_their_part():
    renderer = _renderer()
    rest = renderer.render(FaceState()).image.astype(int)
    points = landmarks(who=renderer.who, tables=renderer.tables, state=FaceState(), size=SIZE)
    nose = int(points[33, 1])
    gazing = renderer.render(FaceState(gaze=np.array([0.3, 0.1]))).image.astype(int)
    speaking = renderer.render(FaceState(opening=0.25)).image.astype(int)
    assert np.abs(gazing - rest)[nose:].max() == 0 and np.abs(gazing - rest)[:nose].max() > 40
    assert np.abs(speaking - rest)[: nose - 6].max() == 0
    assert np.abs(speaking - rest)[nose:].max() > 40


def test_blink_closes_the_eyes():
    renderer = _renderer()
    seen = [(renderer.render(FaceState(blink=b)).regions == 3).sum() for b in (0.0, 0.5, 1.0)]
    assert seen[0] > seen[1] > seen[2] == 0


def test_gaze_follows_the_sign_of_yaw():
    """Looking to picture left darkens the left half of each eye."""
    renderer = _renderer(4, size=256)
    points = landmarks(who=renderer.who, tables=renderer.tables, state=FaceState(), size=256)
    middle = points[42:48].mean(0)

    def left_minus_right(theta):
        picture = renderer.render(FaceState(gaze=np.array([theta, 0.0])))
        eye = (picture.regions == 3) & (np.mgrid[:256, :256][1] > 128)
        x = np.mgrid[:256, :256][1] + 0.5
        grey = picture.image.mean(-1)
        return grey[eye & (x < middle[0])].mean() - grey[eye & (x > middle[0])].mean()

    assert left_minus_right(0.35) < -30 and left_minus_right(-0.35) > 30


def test_same_person_same_picture_and_people_differ():
    first, again = _renderer(5).render(FaceState()), _renderer(5).render(FaceState())
    assert np.array_equal(first.image, again.image)
    others = [_renderer(i, size=64).render(FaceState()).image.astype(float) for i in range(12)]
    for i in range(12):
        for j in range(i):
            assert np.abs(others[i] - others[j]).mean() > 8


def test_head_fills_the_picture():
    for person in range(6):
        regions = _renderer(person).render(FaceState()).regions
        rows = np.flatnonzero(np.isin(regions, (1, 2, 3, 4, 5)).any(axis=1))
        columns = np.flatnonzero((regions > 0).any(axis=1))
        assert columns[0] < 0.15 * SIZE
        assert 0.72 < (rows[-1] - rows[0]) / SIZE <= 1.0
