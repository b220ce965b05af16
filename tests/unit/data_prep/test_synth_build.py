"""The set: deterministic whatever the workers, split by speaker and sentence, restartable."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from data_prep.synth.build import build_set
from data_prep.synth.clip import ClipSpec, make_clip
from data_prep.synth.identity import sample_identity
from vasa.data.audio import read_audio
from vasa.data.shards import read_clip, read_index
from vasa.types import InputError

SMALL = {
    "size": 32,
    "people": {"train": 2, "val": 1, "test": 1},
    "clips_per_person": 1,
    "seconds": 0.6,
    "seed": 3,
    "format": "shards",
}


@pytest.fixture(scope="module")
def small_set(tmp_path_factory):
    root = tmp_path_factory.mktemp("synth")
    assert build_set(output=root, workers=1, **SMALL)
    return root


def _digests(root):
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*.tar"))
    }


def test_clip_is_whole_and_labelled():
    spec = ClipSpec(split="test", person=1, clip=0, size=32, seconds=1.0, seed=0)
    clip = make_clip(spec)
    assert clip.frames.shape == (25, 32, 32, 3) and clip.frames.dtype == np.uint8
    assert clip.audio.shape == (25 * 640,) and clip.audio.dtype == np.float32
    labels = clip.labels
    assert np.allclose(labels.emotion.sum(axis=1), 1.0, atol=1e-5)
    assert np.abs(np.rad2deg(labels.pose[:, :3])).max(axis=0).max() < 28
    assert labels.regions.shape == (25, 32, 32) and labels.phoneme.dtype == np.dtype("<U4")
    assert 0 <= labels.blink.min() and labels.blink.max() <= 1
    json.dumps(clip.extra)


def test_workers_do_not_change_a_byte(small_set, tmp_path):
    assert build_set(output=tmp_path / "again", workers=2, **SMALL)
    assert _digests(small_set) == _digests(tmp_path / "again")


def test_speakers_and_sentences_are_split(small_set):
    index = read_index(small_set)
    assert index.groupby("speaker")["split"].nunique().max() == 1
    assert list(index.groupby("split").size().sort_index()) == [1, 2, 1]
    said = {}
    for row in index.itertuples():
        clip = read_clip(small_set, row)
        assert len(clip.audio) == 640 * len(clip.frames)
        said.setdefault(clip.split, set()).update(clip.extra["sentence_ids"])
    assert not said["train"] & said["test"] and not said["train"] & said["val"]


def test_a_person_does_not_depend_on_the_counts(small_set, tmp_path):
    more = {**SMALL, "people": {"train": 3, "val": 0, "test": 1}}
    build_set(output=tmp_path / "more", workers=1, **more)
    (here,) = read_index(small_set, split="test").itertuples()
    (there,) = read_index(tmp_path / "more", split="test").itertuples()
    assert here.speaker == there.speaker
    first, second = read_clip(small_set, here), read_clip(tmp_path / "more", there)
    assert np.array_equal(first.frames, second.frames)
    assert np.array_equal(first.audio, second.audio)


def test_complete_is_not_made_again_and_other_settings_are_refused(small_set):
    assert build_set(output=small_set, workers=1, **SMALL) is False
    with pytest.raises(InputError, match="other settings"):
        build_set(output=small_set, workers=1, **{**SMALL, "seed": 4})


def test_interrupted_set_is_made_on(tmp_path):
    build_set(output=tmp_path, workers=1, **SMALL)
    before = _digests(tmp_path)
    (tmp_path / "done.json").unlink()
    (tmp_path / "train" / "000000.tar").unlink()
    assert build_set(output=tmp_path, workers=1, **SMALL)
    assert _digests(tmp_path) == before


@pytest.mark.parametrize(
    "change",
    [
        {"size": 33},
        {"people": {"train": 0, "val": 0, "test": 0}},
        {"seconds": 0.0},
        {"clips_per_person": 0},
        {"format": "avi"},
    ],
)
def test_bad_settings_are_named(tmp_path, change):
    with pytest.raises(InputError, match="expected"):
        build_set(output=tmp_path / "bad", workers=1, **{**SMALL, **change})


def test_raw_clips_have_sound_and_truth(tmp_path):
    one = {**SMALL, "people": {"train": 1, "val": 0, "test": 0}, "format": "clips"}
    build_set(output=tmp_path, workers=1, **one)
    (video,) = tmp_path.rglob("*.mp4")
    with np.load(video.with_suffix(".npz")) as truth:
        assert truth["pose"].shape == (15, 6)
        assert json.loads(str(truth["details"]))["voice"]
    assert np.abs(read_audio(video)).max() > 0.05


def test_people_are_distinct():
    people = [sample_identity(seed=0, person=i) for i in range(300)]
    assert len({replace(p, texture_seed=0) for p in people}) == 300
    assert len({p.hair_style for p in people}) == 7
    assert len({p.voice for p in people}) > 40


def test_command_line(tmp_path, capsys):
    from vasa.cli import main

    words = ["synth", f"output={tmp_path / 'set'}", "size=32", "seconds=0.4", "workers=1"]
    words += ["people.train=1", "people.val=1", "people.test=1"]
    assert main(words) == 0
    assert len(read_index(tmp_path / "set")) == 3
    assert main(words) == 0
    assert "complete already" in capsys.readouterr().out
    assert main([*words, "seed=9"]) == 2
    assert main(["synth"]) == 2
