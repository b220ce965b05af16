"""Controls on generators that obey, do not, or obey by half: what the rows then say is known."""

from dataclasses import replace

import pytest
import torch

from vasa.data.schema import EMOTIONS
from vasa.evaluation.control_sweep import SweepReadings, asked_values, read_sweep
from vasa.evaluation.metrics.control import gaze_direction, seen_distance, seen_gaze
from vasa.evaluation.protocols.control_floor import control_floor
from vasa.evaluation.protocols.controls import controls, shuffles
from vasa.evaluation.report.controls import asked_facts, asked_markdown, controls_figure
from vasa.evaluation.report.tables import console_table, grouped
from vasa.evaluation.settings import ControlSettings
from vasa.evaluation.sheets import control_sheet

SETTINGS = ControlSettings(
    num_clips=3,
    gaze_theta=[-0.4, 0.0, 0.4],
    gaze_phi=[-0.2, 0.2, 0.1],
    distance=[0.9, 1.0, 1.1],
    emotions=["neutral", "happy", "anger"],
    emotion_weight=0.8,
    guidance=[1.0, 0.0],
)
START = 4


class ColourEmotion:
    """Reads the weights that `talker` hides in a row of pixels."""

    note = "read off pixels"

    def __call__(self, images, seen):
        return images[:, 2, 1, :8].double()


def make_talker(world, *, gain):
    """Does what is asked, `gain(lambda)` times; its first frames show something else."""

    def talk(image, audio, seed, wish=None):
        asked = wish.controls
        length = len(audio) // 640
        share = gain(max(wish.guidance[name] for name in ("gaze", "distance", "emotion")))
        values = torch.zeros(length, 11, dtype=torch.float64)
        values[:, 8:10] = share * torch.tensor(asked.gaze)
        if not isinstance(asked.distance, str):
            values[:, 5] = share * -torch.log(torch.tensor(asked.distance))
        values[:START] = 0.9
        values[5::7, 10] = 1.0  # while the eyes are shut,
        values[5::7, 8] = -0.9  # the gaze goes astray
        frames = world.write_values(image[None].expand(length, -1, -1, -1), values)
        if asked.emotion is not None:
            frames[:, 2, 1, :8] = share * torch.tensor(asked.emotion)
        return (frames * 255).round().to(torch.uint8)

    return talk


def sweep(world, talker):
    asked = asked_values(SETTINGS)
    return {
        scale: [
            read_sweep(
                talker,
                clip,
                asked=asked,
                scale=scale,
                guidance={"audio": 0.5, "gaze": 0.0, "distance": 0.0, "emotion": 0.0},
                seed=0,
                start_frames=START,
                instrument=world.instrument,
                reader=ColourEmotion(),
                batch_size=16,
            )
            for clip in world.clips[: SETTINGS.num_clips]
        ]
        for scale in SETTINGS.guidance
    }


@pytest.fixture(scope="module")
def rows_of(world):
    def run(gain):
        rows = controls(
            sweeps=sweep(world, make_talker(world, gain=gain)),
            asked=asked_values(SETTINGS),
            emotion_note=ColourEmotion.note,
            split="test",
            bootstrap=world.arguments["bootstrap"],
        )
        assert len({row.metric for row in rows}) == len(rows)
        return {row.metric: row for row in rows}

    return run


@pytest.fixture(scope="module")
def guided(rows_of):
    """Obeys with guidance, and not at all without."""
    return rows_of(lambda scale: scale)


def test_one_that_obeys_and_only_with_guidance(guided):
    names = ("gaze", "gaze_theta", "gaze_phi", "distance", "emotion")
    for name in names:
        row = guided[f"control/{name}_correlation"]
        assert row.value == pytest.approx(1.0, abs=1e-3), name
        assert abs(row.control) < 0.35 and "shuffled" in row.control_name
        assert row.n == SETTINGS.num_clips and row.higher_is_better
        assert guided[f"control/{name}_correlation_lambda_0"].value == pytest.approx(0, abs=1e-3)
    assert guided["control/gaze_error_deg"].value == pytest.approx(0.0, abs=0.05)
    assert guided["control/distance_error"].value == pytest.approx(0.0, abs=1e-3)
    assert guided["control/gaze_error_deg"].control > 5
    assert guided["control/distance_error_lambda_0"].value == pytest.approx(0.2 / 3, abs=1e-3)
    assert ColourEmotion.note in guided["control/emotion_correlation"].note


def test_half_of_what_is_asked_correlates_and_errs(rows_of):
    rows = rows_of(lambda scale: 0.5)
    assert rows["control/gaze_correlation"].value == pytest.approx(1.0, abs=1e-3)
    for name in ("gaze_theta", "gaze_phi", "emotion"):
        row = rows[f"control/{name}_share"]
        assert row.value == pytest.approx(0.5, abs=0.01) and abs(row.control) < 0.2
    assert rows["control/distance_share"].value == pytest.approx(0.5, abs=0.01)
    wanted = (2 * 0.2 + 2 * 0.1 + 0.05) / 6
    error = rows["control/gaze_error_deg"].value
    assert error == pytest.approx(float(torch.tensor(wanted).rad2deg()), abs=0.1)


def test_each_asked_value_has_its_reading(guided, tmp_path):
    cell = guided["control/asked/gaze_theta_lambda_1/-0.4"]
    assert cell.value == pytest.approx(-0.4, abs=1e-3)
    assert cell.control == pytest.approx(0.2, abs=1e-3)
    happy = guided["control/asked/emotion_lambda_1/happy"]
    assert happy.value == pytest.approx(0.8, abs=1e-2) and happy.control == pytest.approx(
        0, abs=0.1
    )
    rows = list(guided.values())
    tables = {table["title"]: table for table in asked_facts(rows)}
    assert len(tables) == 4
    theta = tables["gaze, sideways (rad)"]
    assert theta["header"] == ["-0.4", "0", "0.4"]
    assert [name for name, _ in theta["rows"]] == ["lambda 1", "lambda 0"]
    assert any("-0.400 (0.200)" in line for line in asked_markdown(rows))
    listed = [row.metric for _, _, group in grouped(rows) for row in group]
    assert "control/gaze_correlation" in listed
    assert not [name for name in listed if name.startswith("control/asked/")]
    assert "asked/" not in console_table(rows)
    controls_figure(tmp_path / "figure.png", rows)
    assert (tmp_path / "figure.png").read_bytes()[1:4] == b"PNG"


def test_sheet_and_readings_survive_the_disk(world, tmp_path):
    sweeps = sweep(world, make_talker(world, gain=lambda scale: 1.0))
    first = sweeps[1.0][0]
    first.save(tmp_path / "a.npz")
    again = SweepReadings.load(tmp_path / "a.npz")
    assert torch.equal(again.gaze, first.gaze) and torch.equal(again.pictures, first.pictures)
    assert again.emotion[:9].isnan().all(), "emotion is read where it is asked for"
    assert (world.read_values(first.pictures.float() / 255)[:, 10] < 0.5).all()
    control_sheet(tmp_path / "sheet.png", asked=asked_values(SETTINGS), sources=sweeps[1.0])
    assert (tmp_path / "sheet.png").read_bytes()[1:4] == b"PNG"


def test_floor_of_an_oracle_is_perfect_and_of_a_blind_one_is_not(world):
    weights = torch.eye(8)
    clips = [
        replace(clip, emotion=weights[index].expand(len(clip.pose), 8), blink=torch.zeros(40))
        for index, clip in enumerate(world.clips)
    ]

    def see(image):
        return replace(world.instrument(image), blink=torch.zeros(len(image)))

    class Reader:
        note = "knows"

        def __call__(self, images, seen):
            index = next(i for i, c in enumerate(clips) if torch.equal(c.images(), images))
            return weights[index].double().expand(len(images), 8)

    def run(instrument):
        rows = control_floor(
            instrument=instrument, reader=Reader(), clips=clips, batch_size=64, **world.arguments
        )
        return {row.metric: row for row in rows}

    rows = run(see)
    for name in ("gaze_theta", "gaze_phi", "distance", "emotion"):
        assert rows[f"control/expert_{name}_correlation"].value == pytest.approx(1.0, abs=1e-3)
        assert rows[f"control/expert_{name}_correlation"].control < 0.5
    assert rows["control/expert_gaze_error_deg"].value == pytest.approx(0.0, abs=0.05)
    assert rows["control/expert_gaze_error_deg"].control > 1

    def blind(image):
        return replace(see(image), gaze=torch.zeros(len(image), 2))

    assert run(blind)["control/expert_gaze_theta_correlation"].value == 0


def test_a_gaze_is_read_where_eyes_are_open_and_after_the_start(world):
    seen = world.instrument(world.clips[0].images())
    gaze = torch.zeros(40, 2)
    gaze[:25] = torch.tensor([0.3, -0.1])
    blink = torch.ones(40)
    blink[10:30] = 0.0
    looked = seen_gaze(replace(seen, gaze=gaze, blink=blink))
    assert looked.tolist() == pytest.approx([0.3, -0.1], abs=1e-6)
    pose = torch.zeros(40, 6)
    pose[:20, 5] = 1.0
    assert float(seen_distance(replace(seen, pose=pose), skip=20)) == pytest.approx(1.0)
    assert float(seen_distance(replace(seen, pose=pose))) < 0.9
    assert gaze_direction(gaze).norm(dim=-1).allclose(torch.ones(40).double())


def test_what_is_asked():
    asked = asked_values(SETTINGS)
    assert [one.label for one in asked][-3:] == ["neutral", "happy", "anger"]
    happy = dict(zip(EMOTIONS, asked[-2].value, strict=True))
    assert happy["happy"] == 0.8 and happy["neutral"] == pytest.approx(0.2)
    assert sum(asked[-3].value) == pytest.approx(1.0) and asked[-3].value[0] == 1.0
    assert asked[0].controls.gaze == (-0.4, 0.0) and asked[0].controls.distance == "mean"
    orders = shuffles(3, seed=0)
    assert all(not torch.equal(order, torch.arange(3)) for order in orders) and len(orders) == 24
