"""Pictures with one factor changed: the truth of that factor changes, and nothing else does."""

import json

import numpy as np
import pytest

from data_prep.synth.counterfactuals import FACTORS, counterfactual_clip, counterfactual_source
from vasa.types import InputError

ARGUMENTS = {"seed": 3, "person": 1, "size": 32, "num_states": 4, "num_bases": 2}


@pytest.fixture(scope="module")
def clip():
    return counterfactual_clip(**ARGUMENTS)


def truths(labels) -> dict[str, np.ndarray]:
    return {
        "yaw": labels.pose[:, 0],
        "pitch": labels.pose[:, 1],
        "roll": labels.pose[:, 2],
        "place": labels.pose[:, 3:].sum(axis=1),
        "mouth": labels.mouth[:, 0],
        "blink": labels.blink,
        "gaze": labels.gaze[:, 0],
        "emotion": labels.emotion @ np.arange(8),
    }


@pytest.mark.parametrize("factor", FACTORS)
def test_one_factor_changes_alone(clip, factor):
    places = [i for i, name in enumerate(clip.extra["changed"]) if name == factor]
    assert len(places) == ARGUMENTS["num_bases"]
    for place in places:
        base = clip.extra["base"][place]
        assert clip.extra["changed"][base] == "base"
        moved = {name for name, v in truths(clip.labels).items() if abs(v[place] - v[base]) > 1e-4}
        assert moved == {factor} & set(truths(clip.labels))
        difference = clip.frames[place].astype(int) - clip.frames[base]
        assert np.abs(difference).max() > 8, "the picture shows it"
        if factor not in ("identity", "yaw", "pitch", "roll"):
            assert (difference == 0).all(axis=-1).mean() > 0.4, "and the rest stands still"


def test_states_and_bases_are_as_many_as_asked_and_repeat(clip):
    changed = clip.extra["changed"]
    assert changed.count("state") == 4 and changed.count("base") == 2
    again = counterfactual_clip(**ARGUMENTS)
    assert np.array_equal(again.frames, clip.frames)
    assert again.extra == clip.extra
    other = counterfactual_clip(**{**ARGUMENTS, "person": 2})
    assert other.speaker != clip.speaker
    assert not np.array_equal(other.labels.pose, clip.labels.pose)


def test_only_a_synthetic_set_has_counterfactuals(tmp_path):
    draw = counterfactual_source(tmp_path)
    with pytest.raises(InputError, match="vasa synth"):
        draw(1, 1, 1)
    config = {"version": "synth-1", "seed": 3, "size": 32}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (first, second) = draw(2, 1, 1)
    assert first.split == "test" and first.speaker != second.speaker
    assert first.frames.shape == (2 + len(FACTORS), 32, 32, 3)
