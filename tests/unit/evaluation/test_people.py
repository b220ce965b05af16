"""Protocols on clips of which several show one person: people are drawn, and the rows say so."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from vasa.evaluation.protocols.cross_reenactment import cross_reenactment
from vasa.evaluation.protocols.generated import generated
from vasa.evaluation.protocols.instrument import instrument_calibration
from vasa.evaluation.protocols.self_reenactment import self_reenactment
from vasa.evaluation.protocols.swaps import swaps
from vasa.evaluation.settings import EventSettings

EVENTS = EventSettings(
    closure_share=0.5, closure_tolerance_frames=2, blink_shut=0.5, blink_open=0.3
)


@pytest.fixture(scope="module")
def given(world) -> SimpleNamespace:
    """Two clips of one person, one of another who says the first's sentence, a third without."""
    clips = [
        world.make_clip(person=person, seed=seed, num_frames=24)
        for person, seed in ((0, 0), (0, 1), (1, 2), (2, 3))
    ]
    clips[2] = replace(clips[2], sentence_id=clips[0].sentence_id)
    clips[3] = replace(clips[3], sentence_id=clips[0].sentence_id)
    said = ("a",) * 10 + ("m",) * 4 + ("a",) * 10
    for place in (0, 1, 3):
        clips[place] = replace(clips[place], phoneme=said)
    return SimpleNamespace(clips=clips, shared={"batch_size": 16, **world.arguments})


def test_every_protocol_draws_people(world, given) -> None:
    shared = {"instrument": world.instrument, "clips": given.clips, **given.shared}
    driven = {"autoencoder": world.oracle, "frame_stride": 3}
    rows = [
        *self_reenactment(**driven, mouth_margin=0.2, perceptual=None, **shared),
        *cross_reenactment(**driven, **shared),
        *swaps(**driven, **shared),
        *instrument_calibration(frame_stride=3, **shared),
        *generated(
            read=lambda video: world.instrument(video.float() / 255),
            clips=given.clips,
            videos=[clip.frames for clip in given.clips],
            real_videos=[clip.frames for clip in given.clips],
            events=EVENTS,
            start_frames=2,
            asked_distance=1.0,
            motion_window_frames=5,
            **world.arguments,
        ),
    ]
    assert len(rows) > 30
    for row in rows:
        counted = 3 if "closure_rate" in row.metric else 4
        assert (row.n, row.n_people) == (counted, counted - 1), row.metric
    found = {row.metric: row for row in rows}
    assert "1 of 4 clips left out" in found["generated/closure_rate"].note


def test_where_everybody_is_another_nothing_changes(world, given) -> None:
    clips = world.clips[:3]
    rows = instrument_calibration(
        instrument=world.instrument, clips=clips, frame_stride=3, **given.shared
    )
    assert all(row.n == 3 and row.n_people is None for row in rows)
    assert "n_people" not in rows[0].to_json()
