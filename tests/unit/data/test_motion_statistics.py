"""Statistics of a motion set: those of all its clips, of which one at a time is held."""

import weakref

import numpy as np
import pytest
from small_motion import small_labels

from vasa.data.motion_shards import MotionClip, read_statistics, write_statistics
from vasa.types import InputError


def clips(lengths, *, is_valid=True):
    rng = np.random.default_rng(0)
    for number, length in enumerate(lengths):
        labels = small_labels(length, rng=rng)
        labels.gaze[:] = rng.normal(0.3, 0.1, (length, 2))
        labels.valid[:] = is_valid and rng.uniform(size=length) < 0.7 * (number != 1)
        yield MotionClip(
            key=f"{number}",
            speaker="p",
            motion=rng.normal(3, 0.02, (length, 5)).astype(np.float32),
            audio=rng.normal(-40, 9, (length, 7)).astype(np.float32),
            labels=labels,
        )


def test_they_are_numpys_of_all_data(tmp_path):
    """The second clip has no valid frame."""
    lengths = (30, 12, 1, 200, 55)
    write_statistics(tmp_path, clips(lengths))
    every = list(clips(lengths))
    whole = {
        "motion": np.concatenate([clip.motion[clip.labels.valid] for clip in every]),
        "audio": np.concatenate([clip.audio for clip in every]),
        "gaze": np.concatenate([clip.labels.gaze[clip.labels.valid] for clip in every]),
        "distance": np.concatenate(
            [np.exp(-clip.labels.pose[clip.labels.valid, 5:]) for clip in every]
        ),
    }
    found = read_statistics(tmp_path)
    assert set(found) == {f"{name}_{kind}" for name in whole for kind in ("mean", "std")}
    for name, values in whole.items():
        exact = values.astype(np.float64)
        for kind, expected in (("mean", exact.mean(axis=0)), ("std", exact.std(axis=0))):
            np.testing.assert_array_max_ulp(
                found[f"{name}_{kind}"], expected.astype(np.float32), maxulp=1
            )
            assert found[f"{name}_{kind}"].dtype == np.float32


def test_a_clip_is_let_go_before_the_next_but_one(tmp_path):
    alive = []

    def watched():
        for clip in clips([8] * 6):
            alive.append(weakref.ref(clip))
            yield clip
            del clip
            assert sum(ref() is not None for ref in alive) <= 2

    write_statistics(tmp_path, watched())
    assert len(alive) == 6


def test_nothing_to_measure_is_the_users_mistake(tmp_path):
    for nothing in (clips([]), clips([5, 5], is_valid=False)):
        with pytest.raises(InputError, match="valid frames"):
            write_statistics(tmp_path, nothing)
    assert not (tmp_path / "stats.npz").exists()
