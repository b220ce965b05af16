"""Which clips are taken, who speaks in them, and the split by speaker."""

import pytest

from data_prep.index import SplitRule, find_clips, share_of
from vasa.types import InputError

RULE = SplitRule(val=0.1, test=0.1)


@pytest.fixture
def folder(tmp_path):
    for name in ("anna/1.mp4", "anna/2.MOV", "anna/3.mpg", "ben/1.mp4", "ben/notes.txt", "top.mp4"):
        path = tmp_path / "clips" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "clips"


def test_speaker_is_the_folder(folder):
    clips = find_clips(folder, rule=RULE)
    assert [clip.key for clip in clips] == ["anna/1", "anna/2", "anna/3", "ben/1", "clips/top"]
    assert {clip.source for clip in clips} == {"clips"}
    assert {clip.licence for clip in clips} == {"unknown"}


def test_manifest_overrules(folder):
    (folder / "manifest.csv").write_text(
        'path,speaker,source,licence\nanna/1.mp4,Anna B.,setX,"CC-BY, 4.0"\n'
    )
    first = find_clips(folder, rule=RULE)[0]
    assert (first.speaker, first.source, first.licence) == ("Anna B.", "setX", "CC-BY, 4.0")


def test_selections(folder):
    assert [c.key for c in find_clips(folder, rule=RULE, include=("ben/*",))] == ["ben/1"]
    assert len(find_clips(folder, rule=RULE, speakers=("anna",))) == 3
    assert [
        c.video for c in find_clips(folder, rule=RULE, per_speaker=2) if c.speaker == "anna"
    ] == [
        "1",
        "3",
    ]
    assert len(find_clips(folder, rule=RULE, limit=2)) == 2


def test_same_names_are_told_apart(folder):
    (folder / "anna" / "1.mov").write_bytes(b"x")
    keys = [clip.key for clip in find_clips(folder, rule=RULE, speakers=("anna",))]
    assert len(set(keys)) == 4
    assert {"anna/1~1", "anna/1~2"} < set(keys)
    (folder / "anna" / "1~1.mp4").write_bytes(b"x")  # looks like what would be made up
    keys = [clip.key for clip in find_clips(folder, rule=RULE, speakers=("anna",))]
    assert len(set(keys)) == len(keys) == 5


def test_mistakes_are_said(folder, tmp_path):
    with pytest.raises(InputError, match="expected a folder of clips"):
        find_clips(tmp_path / "nowhere", rule=RULE)
    with pytest.raises(InputError, match="found none"):
        find_clips(folder, rule=RULE, include=("carl/*",))
    with pytest.raises(InputError, match=r"expected speakers among .*anna.* got carl"):
        find_clips(folder, rule=SplitRule(val=0, test=0, test_speakers=("carl",)))


def test_split_is_a_function_of_the_name():
    rule = SplitRule(val=0.2, test=0.1, val_speakers=("v",), test_speakers=("t",))
    names = [f"person{i}" for i in range(2000)]
    splits = [rule.split_of(name) for name in names]
    assert splits == [rule.split_of(name) for name in names]
    assert splits.count("test") / 2000 == pytest.approx(0.1, abs=0.03)
    assert splits.count("val") / 2000 == pytest.approx(0.2, abs=0.03)
    assert rule.split_of("v") == "val"
    assert rule.split_of("t") == "test"
    # a larger share of val never moves anybody between train and test
    wider = SplitRule(val=0.4, test=0.1)
    assert all(
        wider.split_of(n) == "test" for n, s in zip(names, splits, strict=True) if s == "test"
    )


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_clip_is_in_one_partition(folder, count):
    clips = find_clips(folder, rule=RULE)
    shares = [share_of(clips, index=index, count=count) for index in range(count)]
    assert sorted(clip.key for share in shares for clip in share) == [clip.key for clip in clips]
