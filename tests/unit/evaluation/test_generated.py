"""Talking videos whose closures, blinks and head motion are known."""

import math
from dataclasses import replace

import pytest
import torch

from vasa.evaluation.metrics.blink import BlinkRate, count_blinks
from vasa.evaluation.metrics.closure import ClosureRate, closure_spans, closures_made
from vasa.evaluation.metrics.ratio import DeviationInSpreads, RatioOfSums
from vasa.evaluation.protocols.generated import generated
from vasa.evaluation.settings import EventSettings

EVENTS = EventSettings(
    closure_share=0.2, closure_tolerance_frames=2, blink_shut=0.5, blink_open=0.3
)
LENGTH = 40


def speaker(world, number: int):
    """A clip that closes its lips at b, m and p, and blinks `number` % 3 times."""
    phoneme = ["a"] * LENGTH
    first = 4 + number
    for start, sound in ((first, "b"), (first + 11, "m"), (first + 22, "p")):
        phoneme[start : start + 2] = [sound] * 2
    values = torch.zeros(LENGTH, 11, dtype=torch.float64)
    values[:, 6] = 0.3
    for start in (first, first + 11, first + 22):
        values[start - 1, 6] = 0.01  # lips close a frame ahead of the sound
    values[:, 7] = torch.linspace(0, 0.5, LENGTH)
    values[:, 0] = 0.05 * torch.sin(torch.arange(LENGTH) * (0.5 + 0.02 * number))
    for blink in range(number % 3):
        values[6 + 10 * blink : 9 + 10 * blink, 10] = 0.8
    template = world.make_clip(person=number, seed=number)
    frames = (world.write_values(template.images(), values) * 255).round().to(torch.uint8)
    read = world.read_values(frames.float() / 255).float()
    return replace(
        template,
        frames=frames,
        pose=read[:, :6],
        mouth=read[:, 6:8],
        gaze=read[:, 8:10],
        blink=read[:, 10],
        phoneme=tuple(phoneme),
    )


@pytest.fixture(scope="module")
def clips(world):
    return [speaker(world, number) for number in range(6)]


def run(world, clips, videos, distance=None, real_videos=None):
    rows = generated(
        read=lambda video: world.instrument(video.float() / 255),
        clips=clips,
        videos=videos,
        real_videos=real_videos or [clip.frames for clip in clips],
        events=EVENTS,
        start_frames=5,
        asked_distance=distance,
        motion_window_frames=10,
        **world.arguments,
    )
    assert len({row.metric for row in rows}) == len(rows)
    return {row.metric: row for row in rows}


def edited(world, clip, **columns):
    """The clip's frames with columns of what they spell multiplied."""
    values = world.read_values(clip.images())
    for name, factor in columns.items():
        column = {"yaw": 0, "opening": 6, "blink": 10}[name]
        values[:, column] = values[:, column] * factor
    return (world.write_values(clip.images(), values) * 255).round().to(torch.uint8)


def test_a_copy_of_the_real_clip_is_as_real(world, clips):
    rows = run(world, clips, [clip.frames for clip in clips])
    for name in ("closure_rate", "real_closure_rate"):
        row = rows[f"generated/{name}"]
        assert row.value == 1.0 and row.control < 0.75 and row.higher_is_better
        assert "shuffled" in row.control_name
    assert rows["generated/pose_variation_ratio"].value == pytest.approx(1.0)
    assert rows["generated/pose_variation_ratio"].control == pytest.approx(1.0, abs=1e-3)
    blinks = rows["generated/blink_rate"]
    assert blinks.value == blinks.control == pytest.approx(6 / (6 * LENGTH / 25))
    assert f"{blinks.control:.3f} ±" in blinks.note
    assert rows["generated/blink_rate_deviation"].value == pytest.approx(0.0, abs=1e-9)
    assert rows["generated/gaze_error_deg"].value == pytest.approx(0.0, abs=0.05)
    assert "generated/distance_error" not in rows


def test_a_mouth_that_never_closes_and_a_head_that_moves_double(world, clips):
    videos = [edited(world, clip, yaw=2.0, blink=0.0) for clip in clips]
    for video, clip in zip(videos, clips, strict=True):
        values = world.read_values(video.float() / 255)
        values[:, 6] = values[:, 6].clamp(min=0.1)
        video[:] = (world.write_values(clip.images(), values) * 255).round().to(torch.uint8)
    rows = run(world, clips, videos, distance=1.5)
    assert rows["generated/closure_rate"].value == 0.0
    assert rows["generated/real_closure_rate"].value == 1.0
    assert rows["generated/pose_variation_ratio"].value == pytest.approx(2.0, abs=0.01)
    assert rows["generated/blink_rate"].value == 0.0
    rates = torch.tensor([index % 3 / (LENGTH / 25) for index in range(6)], dtype=torch.float64)
    wanted = -rates.mean() / rates.std()
    deviation = rows["generated/blink_rate_deviation"].value
    assert deviation == pytest.approx(float(wanted))
    assert rows["generated/distance_error"].value == pytest.approx(0.5, abs=1e-3)


def test_real_clips_have_no_closure_rows(world, clips):
    plain = [replace(clip, phoneme=None) for clip in clips]
    rows = run(world, plain, [clip.frames for clip in plain])
    assert not [name for name in rows if "closure" in name]
    assert "generated/blink_rate" in rows


def test_closures_are_counted_by_sound_and_by_the_videos_own_opening():
    assert closure_spans("a b b m a p".split()) == [slice(1, 3), slice(3, 4), slice(5, 6)]
    assert closure_spans(["m-", "f", "_"]) == [slice(0, 1)]
    phoneme = ["a"] * 10 + ["p"] + ["a"] * 9
    opening = torch.full((20,), 0.3)
    opening[8] = 0.05
    arguments = {"share": 0.2, "tolerance_frames": 2}
    made = closures_made(opening, phoneme, **arguments)
    assert (made.hits, made.total) == (1, 1)
    assert closures_made(opening, phoneme, share=0.2, tolerance_frames=1).hits == 0
    assert closures_made(opening, phoneme, share=0.1, tolerance_frames=2).hits == 0
    assert closures_made(5 * opening, phoneme, **arguments).hits == 1, "scales cancel"
    still = torch.full((20,), 0.01)
    assert closures_made(still, phoneme, **arguments).hits == 0, "a still mouth closes nothing"
    assert closures_made(opening[:10], phoneme, **arguments).total == 0


@pytest.mark.parametrize(
    ("series", "wanted"),
    [
        ([0.0, 0.6, 0.9, 0.1], 1),
        ([0.0, 0.6, 0.45, 0.6, 0.1], 1),
        ([0.0, 0.6, 0.2, 0.6, 0.2], 2),
        ([0.9, 0.9, 0.1, 0.1], 0),
        ([0.4, 0.45, 0.4, 0.1], 0),
    ],
)
def test_blinks(series, wanted):
    assert count_blinks(torch.tensor(series), shut=0.5, opened=0.3) == wanted


def test_ratio_and_deviation_merge_as_one():
    pairs = [(1.0, 2.0), (3.0, 2.0), (5.0, 7.0)]
    for make, wanted in (
        (RatioOfSums, 9 / 11),
        (DeviationInSpreads, (3 - 11 / 3) / math.sqrt(25 / 3)),
    ):
        whole, first, second = make(), make(), make()
        for index, pair in enumerate(pairs):
            whole.update(*pair)
            (first if index else second).update(*pair)
        first.merge_state(second)
        assert float(whole.compute()) == pytest.approx(wanted)
        assert float(first.compute()) == pytest.approx(wanted)
    alone = DeviationInSpreads()
    alone.update(1.0, 2.0)
    assert math.isnan(float(alone.compute()))


def test_distance_of_motion_has_real_clips_as_its_floor(world, clips):
    same = run(world, clips, [clip.frames for clip in clips])["generated/frechet_motion"]
    assert same.value == pytest.approx(same.control) and same.n == len(clips)
    still = [clip.frames[:1].expand_as(clip.frames) for clip in clips]
    held = run(world, clips, still)["generated/frechet_motion"]
    assert held.value > 2 * held.control and held.control == pytest.approx(same.control)


def test_what_is_real_is_read_from_the_real_videos(world, clips):
    """Past the codec: not from the clips themselves."""
    slow = [edited(world, clip, yaw=0.5) for clip in clips]
    rows = run(world, clips, [clip.frames for clip in clips], real_videos=slow)
    plain = run(world, clips, [clip.frames for clip in clips])
    changed, own = (found["generated/pose_change"] for found in (rows, plain))
    assert changed.value == own.value
    assert changed.control is not None and changed.control < 0.7 * own.control


def test_rates_are_of_all_clips_together():
    blinks = BlinkRate(shut=0.5, opened=0.3, fps=25)
    once = torch.zeros(50)
    once[10:13] = 1.0
    blinks.update(once)
    blinks.update(torch.zeros(100))
    assert blinks.per_clip().tolist() == [0.5, 0.0]
    assert float(blinks.compute()) == pytest.approx(1 / 6)
    closures = ClosureRate(share=0.2, tolerance_frames=0)
    opening = torch.tensor([0.5, 0.5, 0.0, 0.5, 0.5, 0.5])
    closures.update(opening, ["a", "a", "m", "a", "p", "a"])
    closures.update(opening, ["a"] * 6)
    assert closures.per_clip().tolist() == pytest.approx([0.5, math.nan], nan_ok=True)
    found = closures.estimate(num_resamples=10, seed=0)
    assert (found.value, found.num_clips, found.num_empty) == (0.5, 1, 1)
