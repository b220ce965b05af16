import itertools
import math

import pytest
import torch

from vasa.models.conditions import Conditions, DropRates, drop_conditions


def make_conditions(batch=4000, num_frames=10):
    return Conditions(
        audio=torch.zeros(batch, num_frames, 2),
        motion_pre=torch.zeros(batch, 3, 2),
        audio_pre=torch.zeros(batch, 3, 2),
        gaze=torch.zeros(batch, 2),
        distance=torch.zeros(batch, 1),
        emotion=torch.zeros(batch, 8),
        frame_mask=torch.arange(num_frames).expand(batch, num_frames) < 8,
    )


RATES = DropRates(
    audio=0.1, previous=0.5, gaze=0.2, distance=0.3, emotion=0.4, audio_tail=0.25, max_tail_frames=4
)


def drop(conditions, rates=RATES, seed=0):
    return drop_conditions(conditions, rates, generator=torch.Generator().manual_seed(seed))


def test_drop_rates_are_met():
    """Within four standard deviations of the binomial; the tail and pairs of conditions too."""
    dropped = drop(make_conditions())
    gone = {
        "audio": ~dropped.audio_mask[:, 0],
        "previous": ~dropped.pre_mask[:, 0],
        **{name: ~getattr(dropped, f"{name}_mask") for name in ("gaze", "distance", "emotion")},
    }
    num = len(dropped.audio_mask)

    def assert_near(found: torch.Tensor, rate: float, count: int = num) -> None:
        bound = 4 * math.sqrt(rate * (1 - rate) / count)
        assert abs(float(found.double().mean()) - rate) < bound

    for name, one in gone.items():
        assert_near(one, getattr(RATES, name))
    heard = dropped.audio_mask[~gone["audio"]]
    whole = make_conditions().frame_mask[~gone["audio"]]
    assert_near((heard != whole).any(dim=1), RATES.audio_tail, len(heard))
    for first, second in itertools.combinations(gone, 2):
        both = getattr(RATES, first) * getattr(RATES, second)
        assert_near(gone[first] & gone[second], both)


def test_previous_motion_and_audio_go_together():
    dropped = drop(make_conditions())
    assert torch.equal(dropped.pre_mask.all(dim=1), dropped.pre_mask.any(dim=1))


def test_tail_is_the_end_of_what_is_valid():
    rates = DropRates(
        audio=0, previous=0, gaze=0, distance=0, emotion=0, audio_tail=1.0, max_tail_frames=4
    )
    dropped = drop(make_conditions(), rates)
    heard = dropped.audio_mask.sum(dim=1)
    assert set(heard.tolist()) == {4, 5, 6, 7}  # 8 valid frames less 1 to 4
    assert (dropped.audio_mask.int().diff(dim=1) <= 0).all()


def test_rate_zero_drops_nothing_and_masks_only_shrink():
    none = DropRates(
        audio=0, previous=0, gaze=0, distance=0, emotion=0, audio_tail=0, max_tail_frames=4
    )
    conditions = make_conditions(batch=5)
    kept = drop(conditions, none)
    assert torch.equal(kept.audio_mask, conditions.frame_mask)
    assert kept.pre_mask.all() and kept.gaze_mask.all()
    assert not drop(conditions.without("gaze"), none).gaze_mask.any()


def test_drops_are_a_function_of_the_generator():
    first, second = drop(make_conditions(batch=50)), drop(make_conditions(batch=50))
    assert torch.equal(first.audio_mask, second.audio_mask)


def test_parts_must_agree_to_be_concatenated():
    with pytest.raises(ValueError, match="gaze"):
        Conditions.concatenate([Conditions(gaze=torch.zeros(1, 2)), Conditions()])
